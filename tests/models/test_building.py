import dataclasses

import pytest
from tiny_training import CONFIG

from dmgan_tf.errors import InputError
from dmgan_tf.models.building import build_discriminators, build_generator


def test_networks_are_those_of_the_settings():
    config = dataclasses.replace(CONFIG, num_stages=3, memory_dim=6, response_gate=False)
    generator = build_generator(config, word_dim=8)
    discriminators = build_discriminators(config, word_dim=8)
    assert generator.built and all(network.built for network in discriminators)
    assert generator.image_sizes == config.image_sizes == (16, 32, 64)
    assert [network.image_size for network in discriminators] == [16, 32, 64]
    settings = {**generator.get_config(), "word_dim": None}
    shared = settings.keys() & dataclasses.asdict(config).keys()
    assert {"channels", "memory_dim", "response_gate", "base_size"} <= shared
    assert {name: settings[name] for name in shared} == {
        name: getattr(config, name) for name in shared
    }


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_precision_is_that_of_the_computation(precision):
    config = dataclasses.replace(CONFIG, precision=precision)
    networks = [build_generator(config, word_dim=8), *build_discriminators(config, word_dim=8)]
    assert {network.compute_dtype for network in networks} == {precision}
    assert {variable.dtype for network in networks for variable in network.weights} == {"float32"}
    assert build_generator(config, word_dim=8, dtype="float32").compute_dtype == "float32"


def test_sizes_that_are_decided_elsewhere_are_no_options():
    config = dataclasses.replace(CONFIG, discriminator="dm_gan(channels=8, sentence_dim=2)")
    with pytest.raises(InputError, match="--discriminator without channels, sentence_dim: the"):
        build_discriminators(config, word_dim=8)
