"""The fast generator draws what the generator it was made from draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.layers.blocks import ResidualBlock, UpsampleBlock
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.serving.fast import FastGenerator, fast_model
from dmgan_tf.serving.fast_layers import FoldedResidual, FoldedToImage, FoldedUpsampling
from dmgan_tf.text.vocabulary import Vocabulary

SMALL = {
    "channels": 6,
    "noise_dim": 5,
    "condition_dim": 3,
    "word_dim": 8,
    "base_size": 16,
    "num_stages": 2,
    "num_residual_blocks": 1,
}
# Every row has what no other has, and together all settings of a generator.
KINDS = [
    {"num_stages": 3},
    {"num_stages": 1, "base_size": 32},
    {"refinement": "attention", "num_residual_blocks": 0},
    {"writing_gate": False, "num_residual_blocks": 0},
    {"response_gate": False, "num_residual_blocks": 3, "memory_dim": 5, "channels": 5},
]


def randomize(network, seed=0):
    """Weights as training leaves them, no scale of 1 and no mean of 0, and strong colours."""
    random = np.random.default_rng(seed)
    for weight in network.weights:
        if weight.name == "gamma":
            weight.assign(random.normal(1, 0.3, weight.shape))
        elif weight.name == "moving_variance":
            weight.assign(random.uniform(0.3, 2, weight.shape))
        elif weight.name in ("beta", "bias", "moving_mean"):
            weight.assign(random.normal(0, 0.3, weight.shape))
        elif weight.shape[-1] == 3:
            weight.assign(random.normal(0, 0.3, weight.shape))
    return network


def make_generator(dtype="float32", **settings):
    keras.utils.set_random_seed(0)
    generator = Generator(**{**SMALL, **settings}, dtype=dtype)
    generator.build()
    return randomize(generator)


def make_inputs(generator, batch_size=3, words=5):
    random = np.random.default_rng(1)
    shapes = {
        "noise": (generator.noise_dim,),
        "condition_noise": (generator.condition_dim,),
        "word_features": (words, generator.word_dim),
        "sentence_embedding": (generator.word_dim,),
    }
    inputs = {
        name: random.normal(size=(batch_size, *shape)).astype("float32")
        for name, shape in shapes.items()
    }
    lengths = words - np.arange(batch_size) % words
    return {**inputs, "padding_mask": np.arange(words) < lengths[:, None]}


def assert_same(outputs, expected, tolerance):
    tf.nest.assert_same_structure(outputs, expected)
    for ours, theirs in zip(tf.nest.flatten(outputs), tf.nest.flatten(expected), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_generator_gives_the_same_outputs(kind):
    generator = make_generator(**kind)
    inputs = make_inputs(generator)
    expected = generator(inputs)
    assert max(np.std(images) for images in expected["images"]) > 0.1
    fast = FastGenerator(generator)
    assert_same(fast(inputs), expected, 1e-5)
    for name in ("noise_dim", "condition_dim", "image_sizes", "dtype_policy"):
        assert getattr(fast, name) == getattr(generator, name)
    # Keras would go on to track, and to list in `summary()`, a trained layer that was replaced.
    assert [layer.name for layer in fast._flatten_layers() if not layer.built] == []
    assert len(fast.weights) > 0 and not any("gamma" in weight.path for weight in fast.weights)


def test_a_traced_one_takes_any_batch_size():
    generator = make_generator()
    fast = FastGenerator(generator)
    inputs = {batch_size: make_inputs(generator, batch_size) for batch_size in (1, 8)}
    signature = {
        name: tf.TensorSpec((None, *value.shape[1:]), value.dtype)
        for name, value in inputs[1].items()
    }
    traced = tf.function(fast.call, input_signature=[signature])
    for each in inputs.values():
        tensors = {name: tf.constant(value) for name, value in each.items()}
        assert_same(traced(tensors), generator(each), 1e-5)


def test_compiled_layers_give_the_same_outputs():
    generator = make_generator(num_stages=1, channels=2)
    inputs = make_inputs(generator)
    assert_same(FastGenerator(generator, compiled=True)(inputs), generator(inputs), 1e-5)
    residual = ResidualBlock()
    images = np.random.default_rng(3).normal(size=(2, 8, 8, 4)).astype("float32")
    residual.build(images.shape)
    randomize(residual)
    compiled = FoldedResidual(residual, compiled=True)
    np.testing.assert_allclose(compiled(images), residual(images), atol=1e-5)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[4]], ids=str)
def test_bfloat16_is_no_further_from_float32_than_the_original(kind):
    exact = make_generator(**kind)
    original = make_generator("mixed_bfloat16", **kind)
    inputs = make_inputs(exact)
    fast = FastGenerator(original)
    assert fast.dtype_policy.name == "mixed_bfloat16"
    ours, theirs, expected = (generator(inputs) for generator in (fast, original, exact))
    assert_same(ours, theirs, 0.1)

    def errors(outputs):
        return [
            np.sqrt(np.mean(np.square(a - b)))
            for a, b in zip(outputs["images"], expected["images"], strict=True)
        ]

    for our_error, their_error in zip(errors(ours), errors(theirs), strict=True):
        assert 0 < our_error < 1.5 * their_error + 1e-3


def test_another_precision_than_the_models():
    generator = make_generator()
    inputs = make_inputs(generator)
    fast = FastGenerator(generator, dtype="mixed_bfloat16")
    expected = FastGenerator(make_generator("mixed_bfloat16"))
    assert_same(fast(inputs), expected(inputs), 1e-6)
    assert {weight.dtype for weight in fast.initial_stage.weights} == {"bfloat16"}


# The largest root mean square of an error, as a share of the outputs' standard deviation.
PRECISIONS = {"float32": 2e-6, "mixed_bfloat16": 0.01, "mixed_float16": 0.0015}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(("side", "channels"), [(4, 24), (8, 4), (64, 16)])
def test_blocks_of_many_sizes(dtype, side, channels):
    """Some half-precision convolutions of TensorFlow on AMX are wrong; none that is used here."""
    random = np.random.default_rng(2)
    images = random.normal(size=(2, side, side, channels)).astype("float32")
    upsampling, residual = UpsampleBlock(channels // 2), ResidualBlock()
    to_image = keras.layers.Conv2D(3, 3, padding="same", use_bias=False)
    folded = (FoldedUpsampling, FoldedResidual, FoldedToImage)
    for block, fold in zip((upsampling, residual, to_image), folded, strict=True):
        block.build(images.shape)
        randomize(block)
        fast = fold(block, dtype=dtype)
        ours = fast(tf.cast(images, fast.compute_dtype))
        expected = block(images)
        error = np.sqrt(np.mean(np.square(tf.cast(ours, "float32") - expected)))
        assert error < PRECISIONS[dtype] * np.std(expected), block.name


def multiplications(function, inputs):
    """Those of the convolutions and matrix products of a traced function."""
    graph = tf.function(function).get_concrete_function(inputs).graph
    count = 0
    for operation in graph.get_operations():
        if operation.type in ("Conv2D", "MatMul"):
            pixels = np.prod(operation.outputs[0].shape[:-1])
            count += int(pixels * np.prod(operation.inputs[1].shape))
    return count


def test_it_multiplies_less():
    """Two thirds at these shapes, despite the zeros of the 4x4 kernels."""
    generator = make_generator(num_residual_blocks=2, base_size=64, channels=32)
    inputs = {name: tf.constant(value) for name, value in make_inputs(generator, 1).items()}
    (stage,) = generator.refinement_stages
    layers = [
        (block.convolution, 8 * 2**i)
        for i, block in enumerate(generator.initial_stage.upsample_blocks)
    ]
    layers += [
        (convolution, 64)
        for block in stage.residual_blocks
        for convolution in (block.first_convolution, block.second_convolution)
    ]
    layers += [(stage.upsample_block.convolution, 128)]
    layers += list(zip(generator.to_images, generator.image_sizes, strict=True))
    direct = sum(int(np.prod(layer.kernel.shape)) * side**2 for layer, side in layers)
    assert multiplications(FastGenerator(generator), inputs) < 0.7 * direct


@pytest.fixture(scope="module")
def model():
    vocabulary = Vocabulary(["a", "red", "green", "apple"])
    text_encoder = TextEncoder(len(vocabulary), word_dim=8, embedding_dim=6)
    text_encoder.build()
    return DMGANTextToImage(vocabulary, text_encoder, make_generator(), extra={"note": 1})


def test_a_fast_model_generates_as_its_original_does(model):
    captions = ["a red apple", "a green apple", "apple"]
    fast = fast_model(model)
    options = {"seed": 3, "return_stages": True, "return_attention": True}
    ours, expected = (m.generate(captions, **options) for m in (fast, model))
    assert expected["images"].std() > 5
    assert ours.pop("words") == expected.pop("words")
    tf.nest.assert_same_structure(ours, expected)
    for name in ("images", "stages"):
        for a, b in zip(ours[name], expected[name], strict=True):
            assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
    assert fast.text_encoder is model.text_encoder and fast.extra == model.extra
    assert type(model.generator) is Generator


def test_what_it_is_not_for_is_refused_in_one_line(model, tmp_path):
    fast = fast_model(model)
    inputs = make_inputs(fast.generator)
    attempts = (
        (lambda: fast.save_to_preset(tmp_path / "model"), "to save it"),
        (lambda: fast.generator.save(tmp_path / "model.keras"), "to save it"),
        (lambda: fast.generator.save_weights(tmp_path / "a.weights.h5"), "to save it"),
        (lambda: fast.generator.load_weights(tmp_path / "a.weights.h5"), "to load weights into"),
        (lambda: fast.generator(inputs, training=True), "to train it"),
        (lambda: fast_model(fast), "Make each fast model from the original"),
    )
    for attempt, message in attempts:
        with pytest.raises(InputError, match=message) as raised:
            attempt()
        assert "\n" not in str(raised.value) and "Received: a fast one" in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    assert fast.generator.trainable_weights == []


def test_another_backend_is_refused(model, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="Received: jax. Set KERAS_BACKEND=tensorflow"):
        FastGenerator(model.generator)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_papers_size(dtype):
    keras.utils.set_random_seed(0)
    generator = Generator(dtype=dtype)
    generator.build()
    randomize(generator)
    inputs = make_inputs(generator, batch_size=1, words=16)
    expected = generator.predict_on_batch(inputs)
    assert np.std(expected["images"][-1]) > 0.3
    tolerance = 1e-4 if dtype == "float32" else 0.5
    assert_same(FastGenerator(generator).predict_on_batch(inputs), expected, tolerance)
