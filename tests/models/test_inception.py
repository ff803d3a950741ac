import keras
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.inception import InceptionV3


def test_outputs_and_serialization():
    network = InceptionV3("fid_2015", num_classes=10)
    outputs = network.compute_output_spec(keras.KerasTensor((None, 299, 299, 3)))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "mixed_6e": (None, 17, 17, 768),
        "mixed_7c": (None, 8, 8, 2048),
        "pooled": (None, 2048),
        "logits": (None, 10),
    }
    copy = InceptionV3.from_config(network.get_config())
    assert (copy.variant, copy.num_classes) == ("fid_2015", 10)


def test_unknown_variant_is_refused():
    with pytest.raises(InputError, match="torchvision, fid_2015, keras_applications.*'tf'"):
        InceptionV3("tf")
