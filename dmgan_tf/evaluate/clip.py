"""CLIP as a judge that no DM-GAN was trained with."""

import os
import pathlib
import unicodedata
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.metrics.clip import resize_for_clip

_TEXT_STEP = 16  # lengths of captions that the network is compiled for are multiples of this


class ClipScorer:
    """Codes of images and captions by a pretrained CLIP of keras-hub.

    A DAMSM overrates the generator that was trained with it. CLIP was trained with neither the
    generator nor its data, so its score, and R-precision on its codes, complement the DAMSM's. Load
    one with `from_preset`.

    Reference: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision"; Hessel et al. 2021, "CLIPScore".

    Args:
        backbone: A `keras_hub.models.CLIPBackbone` in float32.
        tokenizer: The `keras_hub.models.CLIPTokenizer` that it was trained with.
        image_converter: Its `keras_hub.layers.CLIPImageConverter`, of which only the normalisation
            is used; resizing is always as in the original.
        name: Its name in a report.
    """

    def __init__(
        self,
        backbone: keras.Model,
        tokenizer: keras.Layer,
        image_converter: keras.Layer,
        name: str,
    ):
        from keras_hub.models import CLIPPreprocessor

        self.backbone = backbone
        self.name = name
        self.image_size = backbone.vision_encoder.image_shape[0]
        self.context_length = backbone.text_encoder.max_sequence_length
        self._preprocessor = CLIPPreprocessor(
            tokenizer, sequence_length=self.context_length, to_lower=False
        )
        levels = keras.Input((self.image_size, self.image_size, 3), dtype="float32")
        pixels = levels * np.float32(image_converter.scale) + np.float32(image_converter.offset)
        image_codes = _unit_length(backbone.get_vision_embeddings(pixels))
        self._image_network = keras.Model(levels, image_codes, dtype="float32")
        token_ids = keras.Input((None,), dtype="int32")
        text_codes = _unit_length(backbone.get_text_embeddings(token_ids))
        self._text_network = keras.Model(token_ids, text_codes, dtype="float32")

    @classmethod
    def from_preset(cls, preset: str | os.PathLike) -> "ClipScorer":
        """Loads a CLIP.

        Args:
            preset: Name of a preset of keras-hub, such as `"clip_vit_base_patch32"`, which is
                downloaded once; a handle such as `"hf://..."`; or a directory that
                `save_to_preset` wrote or that was downloaded elsewhere.

        Raises:
            InputError: If keras-hub is not installed, or there is no such preset, or it cannot be
                downloaded, or it is not a CLIP.
        """
        keras_hub = _keras_hub()
        known = keras_hub.models.CLIPBackbone.presets
        preset = str(preset)
        directory = pathlib.Path(preset)
        local = directory.is_dir()
        if not local and preset not in known and "://" not in preset:
            raise InputError(
                f"Expected a CLIP preset, or a directory with one. Received: {preset}, which is "
                f"neither. The presets of this keras-hub are {', '.join(known)}."
            )
        source = str(directory.resolve()) if local else preset
        try:
            backbone = keras_hub.models.CLIPBackbone.from_preset(source, dtype="float32")
            tokenizer = keras_hub.models.CLIPTokenizer.from_preset(source)
            image_converter = keras_hub.layers.CLIPImageConverter.from_preset(source)
        # A damaged or wrong file raises any exception; a failed download an OSError.
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
            if local:
                raise _no_preset(directory, first_line(error)) from error
            raise _no_download(preset, known, first_line(error)) from error
        if image_converter is None or image_converter.scale is None:
            raise _no_preset(directory, "no image_converter.json with CLIP's normalisation")
        name = directory.resolve().name if local else preset
        return cls(backbone, tokenizer, image_converter, name)

    def encode_images(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Computes the codes of images.

        Args:
            images: Uint8 `(images, height, width, 3)`, RGB, of any size; cropped to the middle
                square.
            batch_size: Images per call of the network.

        Returns:
            Float32 array `(images, dim)`, each row of unit length.

        Raises:
            InputError: If the images have another type or shape.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not images.size:
            raise InputError(
                "Expected uint8 images of shape (number, height, width, 3). Received: "
                f"{images.dtype} of shape {images.shape}. Give images as `generate` returns them."
            )
        codes = [
            _codes(self._image_network, resize_for_clip(batch, self.image_size))
            for batch in _batches(images, batch_size)
        ]
        return np.concatenate(codes)

    def encode_texts(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Computes the codes of captions, truncated to CLIP's context (77 tokens).

        Args:
            texts: Captions, none blank.
            batch_size: Captions per call of the network.

        Returns:
            Float32 array `(texts, dim)`, each row of unit length.

        Raises:
            InputError: If there is no caption, or an empty one.
        """
        # The clean-up of the original and of Hugging Face's tokenizer, in any language.
        texts = [" ".join(unicodedata.normalize("NFC", text).split()).lower() for text in texts]
        if not texts or not all(texts):
            empty = f"an empty one, number {texts.index('')}" if texts else "none"
            raise InputError(
                f"Expected captions for CLIP. Received: {empty}. Give each image a caption."
            )
        token_ids = self._preprocessor({"prompts": texts, "images": None})["token_ids"]
        token_ids = ops.convert_to_numpy(token_ids).astype(np.int32)
        batches = [_without_padding(batch) for batch in _batches(token_ids, batch_size)]
        return np.concatenate([_codes(self._text_network, batch) for batch in batches])


def _keras_hub():
    try:
        import keras_hub
    except ImportError as error:
        raise InputError(
            f"Expected the package keras-hub, for CLIP. Received: {first_line(error)}. Install it "
            "with `pip install keras-hub`."
        ) from error
    return keras_hub


def _no_preset(directory, reason):
    return InputError(
        f"Expected a CLIP of keras-hub in {directory}: config.json, model.weights.h5, "
        f"image_converter.json and the tokenizer's files. Received: {reason.rstrip('.')}. Download "
        "a CLIP preset of keras-hub whole, and give its directory."
    )


def _no_download(preset, known, reason):
    handle = known[preset]["kaggle_handle"] if preset in known else preset
    advice = "elsewhere"
    if handle.startswith("kaggle://"):
        handle = handle.removeprefix("kaggle://")
        advice = f"elsewhere by `kagglehub.model_download('{handle}')`"
    return InputError(
        f"Expected to download the CLIP preset {preset}. Received: {reason.rstrip('.')}. Without a "
        f"network, download it {advice}, and give its directory."
    )


def _unit_length(codes):
    return codes / ops.maximum(ops.norm(codes, axis=-1, keepdims=True), 1e-12)


def _batches(rows, batch_size):
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def _without_padding(token_ids):
    """Cuts the padding after the longest caption, in steps so that few lengths are compiled.

    Words attend only to earlier ones, and the code is that of the end token, the largest id.
    """
    longest = int(np.argmax(token_ids, axis=1).max()) + 1
    return token_ids[:, : -(-longest // _TEXT_STEP) * _TEXT_STEP]


def _codes(network, rows):
    return ops.convert_to_numpy(network.predict_on_batch(rows))
