"""`DMGANTextToImage`: the model class for users."""

import os
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from dmgan_tf.errors import InputError
from dmgan_tf.models.discriminator import DiscriminatorBase
from dmgan_tf.models.generator import Generator, generator_inputs
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_card import About
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.models.noise import check_whole_number, seeded_noise, to_uint8
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary

_PADDING_STEP = 8
_ATTENTION_OUTPUTS = ("attention_scores", "word_gates", "response_gates")


class DMGANTextToImage:
    """A text encoder and a generator that together draw images from captions.

    Reference:
        Zhu, Pan, Chen and Yang: DM-GAN: Dynamic Memory Generative Adversarial Networks for
        Text-to-Image Synthesis. CVPR 2019.

    Args:
        vocabulary: The `Vocabulary` that the text encoder was trained with. Without one, as
            with some converted weights, the networks can be called but captions cannot be drawn.
        text_encoder: A built `TextEncoder`; the same is true without one.
        generator: A built `Generator`.
        discriminators: The generator's `Discriminator`s, smallest image first, if available.
        image_encoder: The DAMSM's `ImageEncoder`, if available.
        extra: Further entries of `config.json`, kept when the model is saved again.
        readme: The model card, Markdown, also kept.

    Example:
        >>> model = DMGANTextToImage.from_preset("avatars_128")  # doctest: +SKIP
        >>> images = model.generate(["a smiling person in a red shirt"], seed=0)  # doctest: +SKIP
    """

    def __init__(
        self,
        vocabulary: Vocabulary | None,
        text_encoder: TextEncoder | None,
        generator: Generator,
        discriminators: Sequence[DiscriminatorBase] | None = None,
        image_encoder: ImageEncoder | None = None,
        extra: Mapping | None = None,
        readme: str | None = None,
    ):
        self.vocabulary = vocabulary
        self._tokenizer = None if vocabulary is None else Tokenizer(vocabulary)
        self.text_encoder = text_encoder
        self.generator = generator
        self.discriminators = list(discriminators or [])
        self.image_encoder = image_encoder
        self.extra = dict(extra or {})
        self.readme = readme
        # XLA on a CPU is slower than TensorFlow's graphs, and takes long to compile.
        jit_compile = "auto" if keras.backend.backend() == "jax" else False
        for model in (text_encoder, generator):
            if model is not None:
                model.compile(jit_compile=jit_compile)

    @property
    def tokenizer(self) -> Tokenizer:
        """The `Tokenizer` of the vocabulary.

        Raises:
            InputError: If the model has no text encoder or no vocabulary.
        """
        for part in ("text_encoder", "vocabulary"):
            if getattr(self, part) is None:
                raise InputError(
                    f"Captions need a text encoder and its vocabulary; this model has no "
                    f"{part.replace('_', ' ')}. Convert its weights again, with --{part}=FILE."
                )
        return self._tokenizer

    @classmethod
    def from_preset(
        cls,
        preset: str | os.PathLike,
        dtype: str | None = None,
        allow_modules: Sequence[str] = (),
    ) -> "DMGANTextToImage":
        """Loads a model.

        Args:
            preset: A model directory, a run directory, the name of a model that ships with the
                package, such as `"avatars_128"`, or the handle of one on a hub, `"hf://USER/MODEL"`
                or `"kaggle://USER/MODEL/keras/VARIATION"`.
            dtype: Keras dtype policy, such as `"mixed_bfloat16"`; float32 if `None`.
            allow_modules: Modules outside the package whose code a model may run, if it names
                classes of them; a downloaded model can run no other.

        Raises:
            InputError: If there is no such model, or it cannot be fetched, is damaged, has no
                generator, or names code of a module that is not allowed.
        """
        components = load_model_directory(preset, dtype, allow_modules)
        if components.generator is None:
            raise InputError(
                f"{preset} has no generator (a DAMSM's model directory has only encoders). "
                "Give a model directory that `python -m dmgan_tf.train` wrote."
            )
        parts = vars(components)
        del parts["inception"]  # in a separate directory, never beside a generator
        return cls(**parts)

    def save_to_preset(
        self,
        directory: str | os.PathLike,
        readme: str | None = None,
        *,
        about: About | None = None,
        weights_dtype: str = "float32",
        keep_discriminators: bool = True,
    ) -> None:
        """Writes a model directory that `from_preset` reads; see `save_model_directory`.

        Args:
            directory: Where to write. An existing model is replaced, nothing else is.
            readme: Another model card than the model's own, Markdown.
            about: An `About` for a new card instead of the model's own: licence, language, data,
                limits, which are not stored in the model.
            weights_dtype: `"float32"`, or `"float16"` for half the size. Loading gives float32.
            keep_discriminators: Whether to write the discriminators, if there are any. They are
                for further training, not for drawing.

        Raises:
            InputError: If `directory` exists and is not a model, the disk is full, or
                `weights_dtype` is another.
        """
        save_model_directory(
            directory,
            vocabulary=self.vocabulary,
            text_encoder=self.text_encoder,
            generator=self.generator,
            discriminators=self.discriminators if keep_discriminators else None,
            image_encoder=self.image_encoder,
            extra=self.extra,
            readme=readme or (None if about else self.readme),
            about=about,
            weights_dtype=weights_dtype,
        )

    def generate(
        self,
        captions: str | Sequence[str],
        seed: int = 0,
        *,
        return_stages: bool = False,
        return_attention: bool = False,
        batch_size: int = 16,
        first_row: int = 0,
    ) -> np.ndarray | dict:
        """Draws one image for each caption.

        The noise of an image depends only on `seed` and on the caption's index in the list: the
        same call gives the same images; with another batch size they differ by at most one level of
        255. Repeat a caption to draw it in several ways.

        Args:
            captions: A caption or several. Words that are not in the vocabulary are dropped, and a
                very long caption is truncated to `MOST_CHARACTERS` and `MOST_WORDS` of
                `dmgan_tf.text.tokenizer`; each with a warning.
            seed: Random seed of the noise, from 0 to 2**32 - 1.
            return_stages: Whether to return the images of every stage as well.
            return_attention: Whether to return attention scores and gates as well.
            batch_size: How many images are drawn at once, 1 or more.
            first_row: Index of the first caption in the list that `captions` is a part of. A long
                list may be drawn in parts, with the noise of one call for all of it.

        Returns:
            Uint8 array `(captions, height, width, 3)`. If stages or attention are requested, a dict
            of `images`, that array; `stages`, one such array per stage, smallest first;
            `attention_scores`, one `(captions, size / 2, size / 2, words)` per refinement;
            `word_gates`, one `(captions, words)` per refinement; `response_gates`, one
            `(captions, size / 2, size / 2)` per refinement; and `words`, the known words of each
            caption, in the order of the last axis of the scores.

        Raises:
            InputError: If no caption is given, one is not a string or has no known word, or a
                number is not an integer or out of range.
        """
        if not isinstance(captions, (str, Iterable)):
            raise InputError(f"Expected a caption or a list of them. Received: {captions!r}.")
        captions = [captions] if isinstance(captions, str) else list(captions)
        if not captions:
            raise InputError("Expected one caption or more. Received none.")
        for name, value, lowest in (
            ("seed", seed, 0),
            ("first_row", first_row, 0),
            ("batch_size", batch_size, 1),
        ):
            check_whole_number(name, value, lowest)
        token_ids = padded_token_ids(self.tokenizer, captions)
        batches = []
        for start in range(0, len(captions), batch_size):
            outputs = self._draw(token_ids[start : start + batch_size], seed, first_row + start)
            stages = outputs["images"] if return_stages else outputs["images"][-1:]
            batch = {"stages": [to_uint8(stage) for stage in stages]}
            if return_attention:  # else dropped after each batch: it is larger than the images
                batch.update((name, outputs[name]) for name in _ATTENTION_OUTPUTS)
            batches.append(batch)
        result = {
            name: [np.concatenate(parts) for parts in zip(*(b[name] for b in batches), strict=True)]
            for name in batches[0]
        }
        result["images"] = result["stages"][-1]
        if not (return_stages or return_attention):
            return result["images"]
        if not return_stages:
            del result["stages"]
        if return_attention:
            result["words"] = [[self.vocabulary.words[i] for i in row if i] for row in token_ids]
        return result

    def _draw(self, token_ids, seed, first_row):
        """The generator's outputs for one batch, whose noise starts at `first_row`."""
        encoded = self.text_encoder.predict_on_batch(token_ids)
        rows = range(first_row, first_row + len(token_ids))
        noise, condition_noise = noise_rows(self.generator, seed, rows)
        return self.generator.predict_on_batch(
            generator_inputs(encoded, token_ids, noise, condition_noise)
        )


def padded_token_ids(tokenizer: Tokenizer, captions: Sequence[str]) -> np.ndarray:
    """Returns the ids of captions, padded to a multiple of eight words to compile few shapes.

    Args:
        tokenizer: A `Tokenizer`.
        captions: One caption or more.

    Returns:
        int32 `(captions, words)`, padded with 0 on the right.

    Raises:
        InputError: If a caption has no known word or is not a string.
    """
    token_ids = tokenizer.encode_batch(captions)
    return np.pad(token_ids, ((0, 0), (0, -token_ids.shape[1] % _PADDING_STEP)))


def noise_rows(generator: Generator, seed: int, rows: Iterable[int]) -> list[np.ndarray]:
    """Draws the noise of some images of a seed, each by its row only.

    Args:
        generator: The `Generator` to draw for.
        seed: From 0 to 2**32 - 1.
        rows: The rows of the images, integers in the same range.

    Returns:
        `noise` and `condition_noise`, float32 `(rows, noise_dim)` and `(rows, condition_dim)`.
    """
    return seeded_noise(generator.noise_dim, generator.condition_dim, seed, rows)
