"""Every source of images begins anywhere, and a model's are those that `generate` draws."""

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.images import GeneratedImages, StoredImages
from dmgan_tf.models.text_to_image import DMGANTextToImage


@pytest.fixture(scope="module")
def plan(prepared_data):
    return choose_captions(list_captions(prepared_data, "test"), 11, 0, {})


def close_to(images, expected):
    """Within a level of 255: rows are rounded after sums in another order."""
    assert images.shape == expected.shape and images.dtype == expected.dtype == np.uint8
    assert np.abs(images.astype(int) - expected).max() <= 1


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def expected(model, plan):
    """What `generate` draws of the plan."""
    return model.generate(plan.texts(0, 11), seed=5)


def test_a_models_images_are_those_of_generate_and_begin_anywhere(model, plan, expected):
    assert expected.std() > 20  # a grey image would be like any other
    images = GeneratedImages(model, plan, seed=5)
    close_to(np.concatenate(list(images.batches(0, 4))), expected)
    close_to(np.concatenate(list(images.batches(6, 4))), expected[6:])
    others = GeneratedImages(model, plan, seed=6)
    others._traced = images._traced  # the graph is the same, so it need not be made again
    assert np.abs(next(others.batches(0, 4)).astype(int) - expected[:4]).max() > 20


def test_two_replicas_draw_the_same(vivid_model, plan, expected, two_replicas):
    with two_replicas.scope():
        model = DMGANTextToImage.from_preset(vivid_model)
    images = GeneratedImages(model, plan, seed=5, strategy=two_replicas)
    close_to(np.concatenate(list(images.batches(0, 4))), expected)


def test_a_models_description_knows_seed_and_weights(vivid_model, plan):
    model = DMGANTextToImage.from_preset(vivid_model)  # whose weights change here
    first = GeneratedImages(model, plan, seed=5).description()
    assert first == GeneratedImages(model, plan, seed=5).description()
    assert first["seed"] != GeneratedImages(model, plan, seed=6).description()["seed"]
    weight = model.generator.weights[0]
    weight.assign(weight + 1)
    changed = GeneratedImages(model, plan, seed=5).description()
    assert changed["weights_sha256"] != first["weights_sha256"]


def test_a_data_sets_images_begin_anywhere(prepared_data):
    images = StoredImages(prepared_data, "test", size=16, crop=True)
    whole = np.concatenate(list(images.batches(0, 4)))
    assert whole.shape == (6, 16, 16, 3) and images.num_images == 6
    np.testing.assert_array_equal(np.concatenate(list(images.batches(3, 2))), whole[3:])
    few = StoredImages(prepared_data, "test", size=16, crop=True, num_images=5)
    np.testing.assert_array_equal(np.concatenate(list(few.batches(2, 2))), whole[2:5])


def test_single_images_of_every_source(model, plan, expected, tmp_path, prepared_data):
    for level in (0, 80, 160):
        Image.new("L", (8, 6), level).save(tmp_path / f"{level:03d}.png")
    drawn = GeneratedImages(model, plan, seed=5).at([7, 2, 7])
    close_to(np.stack(drawn), expected[[7, 2, 7]])
    for source in (
        FolderImages(tmp_path),
        StoredImages(prepared_data, "train", size=24, crop=True),
    ):
        everything = np.concatenate(list(source.batches(0, 8)))
        np.testing.assert_array_equal(source.at([1, 0, 1]), everything[[1, 0, 1]])


def test_more_images_than_a_split_has(prepared_data):
    with pytest.raises(InputError, match="Expected 7 images .* Received: 6"):
        StoredImages(prepared_data, "test", size=16, crop=True, num_images=7)
