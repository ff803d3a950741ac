"""Runs the networks on the Keras backend of the environment; `test_backends.py` starts it.

python backend_program.py DIRECTORY: reads weights and inputs, writes `outputs.npz`. TensorFlow
cannot be imported in this process: what still works does not need it.
"""

import os
import pathlib
import sys

if __name__ == "__main__":
    sys.modules["tensorflow"] = None

import keras
import numpy as np

from dmgan_tf import layers, losses
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import Vocabulary


def networks():
    """The networks at their smallest, by the name of their weights' file."""
    models = {
        "text_encoder": TextEncoder(5, word_dim=6, embedding_dim=4),
        "generator": Generator(
            channels=4,
            noise_dim=5,
            condition_dim=3,
            word_dim=6,
            num_residual_blocks=1,
            base_size=16,
            num_stages=2,
        ),
        "discriminator": Discriminator(32, channels=2, sentence_dim=6),
        "image_encoder": ImageEncoder(
            *(6, "small_cnn"),
            channels=4,
            input_size=32,
            num_predicted_words=5,
            color_ids=[2, 3],
        ),
    }
    for model in models.values():
        model.build()
    return models


def run(models, inputs):
    """Every network's outputs and every loss, as a flat dict of arrays."""
    token_ids = inputs["token_ids"]
    encoded = models["text_encoder"](token_ids)
    sentences = encoded["sentence_embedding"]
    generator_inputs = {
        "noise": inputs["noise"],
        "condition_noise": inputs["condition_noise"],
        "padding_mask": token_ids != 0,
        **encoded,
    }
    outputs = {"text_encoder": encoded, "generator": models["generator"](generator_inputs)}
    images = outputs["generator"]["images"][-1]
    real = models["discriminator"](inputs["images"], sentences)
    fake = models["discriminator"](images, sentences)
    regions = models["image_encoder"](images)
    reader = models["image_encoder"].word_reader
    read = reader(images)
    mean, log_variance = (
        outputs["generator"][name] for name in ("condition_mean", "condition_log_variance")
    )
    outputs |= {
        "real": real,
        "fake": fake,
        "regions": regions,
        "read": read[:, 1:],
        "losses": [
            losses.ReleaseObjective().discriminator_loss(
                real, fake, {**fake, "weights": keras.ops.ones_like(fake["conditional_logits"])}
            ),
            losses.PaperObjective().generator_loss(fake),
            losses.conditioning_divergence(mean, log_variance),
            losses.misread_words_loss(read, reader(inputs["images"]), token_ids, token_ids),
            losses.matching_losses(regions, encoded, token_ids != 0, inputs["class_ids"]),
        ],
        "batch_norm": batch_norm_in_training(inputs["images"]),
        "drawn": drawing(models).generate(["b d", "a c b"], seed=1).astype("float32") / 255,
    }
    flat = keras.tree.flatten_with_path(outputs)
    return {"/".join(map(str, path)): keras.ops.convert_to_numpy(value) for path, value in flat}


def batch_norm_in_training(images):
    layer = layers.BatchNorm(gamma_initializer="ones")
    layer.build(images.shape)
    return [layer(images, training=True), layer.moving_mean, layer.moving_variance]


def drawing(models):
    vocabulary = Vocabulary(["a", "b", "c", "d"])
    return DMGANTextToImage(vocabulary, models["text_encoder"], models["generator"])


def train(models, inputs):
    """Two steps of `fit` towards white images; the losses, for backends that have gradients."""
    generator = models["generator"]
    encoded = models["text_encoder"](inputs["token_ids"])
    x = {
        "noise": inputs["noise"],
        "condition_noise": inputs["condition_noise"],
        "padding_mask": inputs["token_ids"] != 0,
        **{name: keras.ops.convert_to_numpy(value) for name, value in encoded.items()},
    }
    arguments = {
        name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name)
        for name, value in x.items()
    }
    model = keras.Model(arguments, generator(arguments)["images"])
    # Gradient descent without momentum: the same numbers everywhere.
    model.compile(keras.optimizers.SGD(0.1), ["mse", "mse"])
    white = [np.ones((3, size, size, 3), "float32") for size in generator.image_sizes]
    history = model.fit(x, white, epochs=2, verbose=0)
    return {"train/losses": np.float32(history.history["loss"])}


def main(directory):
    backend = os.environ["KERAS_BACKEND"]
    assert keras.backend.backend() == backend
    models = networks()
    for name, model in models.items():
        model.load_weights(directory / f"{name}.weights.h5")
    with np.load(directory / "inputs.npz") as file:
        inputs = dict(file)
    outputs = run(models, inputs)
    if backend != "numpy":  # which has no gradients
        outputs |= train(models, inputs)
    np.savez(directory / f"{backend}.npz", **outputs)
    loaded = {name for name in sys.modules if name.partition(".")[0] == "tensorflow"}
    assert loaded == {"tensorflow"}, loaded  # our own None


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
