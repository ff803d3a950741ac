"""The signatures of an export, from caption strings to pictures."""

import functools

import tensorflow as tf

from dmgan_tf.models.generator import generator_inputs
from dmgan_tf.models.text_to_image import DMGANTextToImage

_SHOWN_WORDS = 5  # of the vocabulary, in an error message
_SEED_BUCKETS = 2**63 - 1  # every int64 seed except the negative ones

CAPTIONS = tf.TensorSpec([None], tf.string, name="captions")
SEED = tf.TensorSpec([None], tf.int64, name="seed")


class Signatures:
    """The signatures of an exported model, as functions of tensors.

    Tokenisation is part of the graph, so that a client sends plain text. Rows are independent: a
    picture depends only on its caption and its noise, not on the other rows or their padding. The
    noise depends on a seed per row, and the seed, if the client sends none, on the known words of
    its caption: the same caption, the same picture.

    Random numbers are TensorFlow's stateless ones (Philox, one stream per row), since NumPy's,
    which `DMGANTextToImage.generate` uses, would need a thousand sequential steps in a graph.

    Args:
        model: With text encoder and vocabulary.

    Raises:
        InputError: If the model has no text encoder or no vocabulary.
    """

    def __init__(self, model: DMGANTextToImage):
        self.tokenizer = model.tokenizer
        self.table = self.tokenizer.table
        self.text_encoder = model.text_encoder
        self.generator = model.generator
        words = self.tokenizer.vocabulary.words[1:]
        self._words = ("", *words)  # padding has no word
        self._no_known_word = (
            f"Expected captions with a word of the vocabulary ({len(words)} words: "
            f"{', '.join(words[:_SHOWN_WORDS])}, ...). Received none in the rows, counted from 0:"
        )
        noise = tf.TensorSpec([None, self.generator.noise_dim], tf.float32, name="noise")
        condition_noise = tf.TensorSpec(
            [None, self.generator.condition_dim], tf.float32, name="condition_noise"
        )
        # One function, so that the graph contains the networks once, not once per signature.
        self._networks = tf.function(
            self._call_networks,
            input_signature=[
                tf.TensorSpec([None, None], tf.int32, name="token_ids"),
                noise,
                condition_noise,
            ],
            autograph=False,
        )
        self.functions = {
            "serving_default": (self.generate, [CAPTIONS]),
            "generate_png": (self.generate_png, [CAPTIONS]),
            "generate_with_seed": (self.generate_with_seed, [CAPTIONS, SEED]),
            "generate_png_with_seed": (self.generate_png_with_seed, [CAPTIONS, SEED]),
            "generate_with_noise": (
                self.generate_with_noise,
                [CAPTIONS, noise, condition_noise],
            ),
            "tokenize": (self.tokenize, [CAPTIONS]),
        }

    def generate(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `images`, uint8 `(batch, height, width, 3)`; the words determine the seed."""
        token_ids = self._token_ids(captions)
        return {"images": self._draw(token_ids, self._seeds_of(token_ids))}

    def generate_png(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `image_bytes`, string `(batch,)`: the pictures of `generate` as PNG files."""
        return {"image_bytes": tf.io.encode_png(self.generate(captions)["images"])}

    def generate_with_seed(self, captions: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `images` like `generate`, with the noise of `seed`, int64 `(batch,)`."""
        token_ids = self._token_ids(captions)
        return {"images": self._draw(token_ids, _same_rows(captions, seed=seed))}

    def generate_png_with_seed(self, captions: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `image_bytes`: the pictures of `generate_with_seed` as PNG files."""
        return {"image_bytes": tf.io.encode_png(self.generate_with_seed(captions, seed)["images"])}

    def generate_with_noise(
        self, captions: tf.Tensor, noise: tf.Tensor, condition_noise: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Returns all outputs of the generator for noise from the client.

        Returns:
            Dict of `images_SIZE`, float32 in [-1, 1], one per stage; `attention_scores_SIZE`,
            `(batch, SIZE, SIZE, words)`, one per refinement, by the size of the map whose pixels
            attend to the words; `token_ids` and `words`, `(batch, words)`: the words read of each
            caption, padded with 0 and the empty string.
        """
        noise = _same_rows(captions, noise=noise)
        condition_noise = _same_rows(captions, condition_noise=condition_noise)
        token_ids = self._token_ids(captions)
        drawn = self._networks(token_ids, noise, condition_noise)
        sizes = self.generator.image_sizes
        outputs = {
            f"images_{size}": image for size, image in zip(sizes, drawn["images"], strict=True)
        }
        for size, scores in zip(sizes, drawn["attention_scores"], strict=False):
            outputs[f"attention_scores_{size}"] = scores
        return {**outputs, "token_ids": token_ids, "words": self._words_of(token_ids)}

    def tokenize(self, captions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `token_ids` and `words` like `generate_with_noise`; never an error."""
        with tf.device("CPU"):
            token_ids = self.tokenizer.in_graph(captions, cut=True).to_tensor()
        return {"token_ids": token_ids, "words": self._words_of(token_ids)}

    def _token_ids(self, captions):
        """The ids of captions that have a known word; an error that names the rows of others.

        The message contains no caption: a server that batches requests sends it to every client.
        """
        with tf.device("CPU"):
            token_ids = self.tokenizer.in_graph(captions, cut=True)
            empty_rows = tf.where(tf.equal(token_ids.row_lengths(), 0))[:, 0]
            check = tf.debugging.Assert(
                tf.equal(tf.size(empty_rows), 0), [self._no_known_word, empty_rows], summarize=32
            )
            some = tf.debugging.assert_positive(
                tf.size(captions), message="Expected one caption or more. Received none."
            )
            with tf.control_dependencies([check, some]):
                return tf.identity(token_ids.to_tensor())

    def _words_of(self, token_ids):
        with tf.device("CPU"):
            return tf.gather(tf.constant(self._words), token_ids)

    def _seeds_of(self, token_ids):
        """One seed per row, from its known words; trailing padding is removed before the hash."""
        with tf.device("CPU"):
            text = tf.strings.reduce_join(self._words_of(token_ids), axis=1, separator=" ")
            return tf.strings.to_hash_bucket_fast(tf.strings.strip(text), _SEED_BUCKETS)

    def _draw(self, token_ids, seeds):
        noise_dim, condition_dim = self.generator.noise_dim, self.generator.condition_dim
        drawn = noise_of_seeds(seeds, noise_dim + condition_dim)
        noise, condition_noise = tf.split(drawn, [noise_dim, condition_dim], axis=1)
        return to_uint8(self._networks(token_ids, noise, condition_noise)["images"][-1])

    def _call_networks(self, token_ids, noise, condition_noise):
        encoded = self.text_encoder(token_ids, training=False)
        inputs = generator_inputs(encoded, token_ids, noise, condition_noise)
        outputs = self.generator(inputs, training=False)
        return {name: outputs[name] for name in ("images", "attention_scores")}


def noise_of_seeds(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Draws standard normal noise, each row from its own seed only.

    Args:
        seeds: int64 tensor `(batch,)`.
        size: Numbers per row.

    Returns:
        float32 tensor `(batch, size)`. The same seed gives the same row on every device and in
        every version of TensorFlow.
    """
    draw = functools.partial(tf.random.stateless_normal, [size], alg="philox")
    return tf.map_fn(
        lambda seed: draw(seed=tf.stack([seed, tf.zeros_like(seed)])),
        seeds,
        fn_output_signature=tf.TensorSpec([size], tf.float32),
    )


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Returns images in [-1, 1] as uint8, rounded as `DMGANTextToImage.generate` rounds them."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1) * 127.5), 0, 255), tf.uint8)


def _same_rows(captions, **named):
    """The one named tensor, checked to have a row for each caption."""
    ((name, values),) = named.items()
    with tf.device("CPU"):
        check = tf.debugging.assert_equal(
            tf.shape(values)[0],
            tf.shape(captions)[0],
            message=f"Expected as many rows of {name} as captions.",
        )
    with tf.control_dependencies([check]):
        return tf.identity(values)
