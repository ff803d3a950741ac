"""Draws captions with a LiteRT export; neither Keras nor TensorFlow is imported."""

import json
import os
import pathlib
import types
from collections.abc import Sequence

import numpy as np

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.models.noise import check_whole_number, seeded_noise, to_uint8
from dmgan_tf.serving.folder import RECORD_NAME, sha256_of
from dmgan_tf.serving.text_files import TOKENIZER, VOCABULARY
from dmgan_tf.text.tokenizer import Tokenizer, shortened
from dmgan_tf.text.vocabulary import Vocabulary

MODEL = "model.tflite"
_RECORDED = ("image_sizes", "noise_dim", "condition_dim", "caption_length", "stages")


class LiteRTTextToImage:
    """A folder of `export --format=litert`, ready to draw.

    Args:
        folder: Of the export.
        num_threads: Threads of a picture; one for each core if `None`.

    Raises:
        InputError: If there is no such export, a file of it has changed, or the package
            ai-edge-litert is not installed.

    Example:
        >>> model = LiteRTTextToImage("phone/avatars")  # doctest: +SKIP
        >>> images = model.generate(["a smiling person in a red shirt"], seed=0)  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike, num_threads: int | None = None):
        folder = pathlib.Path(folder)
        self.record = read_record(folder, "litert")
        runtime = import_runtime()
        self.tokenizer = Tokenizer(Vocabulary.load(folder / VOCABULARY))
        try:
            interpreter = runtime.Interpreter(str(folder / MODEL), num_threads=num_threads)
            self._run = interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"This ai-edge-litert cannot run {folder / MODEL}: {first_line(error)}. Install "
                "the newest one."
            ) from error

    def generate(
        self,
        captions: str | Sequence[str],
        seed: int = 0,
        *,
        return_stages: bool = False,
        return_attention: bool = False,
    ) -> np.ndarray | dict:
        """Draws one image for each caption, as `DMGANTextToImage.generate` does.

        Args:
            captions: A caption or several.
            seed: Random seed of the noise, from 0 to 2**32 - 1.
            return_stages: Whether to return the images of every stage as well.
            return_attention: Whether to return attention scores and word gates as well.

        Returns:
            As `DMGANTextToImage.generate`, without `response_gates`; the axis of the words is as
            long as the export's captions.

        Raises:
            InputError: If the seed is out of range, if a caption has no known word or more than the
                export accepts, or if stages or attention are requested and the export was made
                without `--stages`.
        """
        if (return_stages or return_attention) and not self.record["stages"]:
            raise InputError(
                "Expected an export with all stages, to return stages or attention. Received: one "
                "with the last image only. Export again with --stages."
            )
        check_whole_number("seed", seed)
        captions = [captions] if isinstance(captions, str) else list(captions)
        token_ids = padded_token_ids(self.tokenizer, captions, self.record["caption_length"])
        rows = [self._draw(ids[None], seed, row) for row, ids in enumerate(token_ids)]

        def all_of(name):
            sizes = [size for size in self.record["image_sizes"] if f"{name}_{size}" in rows[0]]
            return [np.concatenate([row[f"{name}_{size}"] for row in rows]) for size in sizes]

        stages = list(map(to_uint8, all_of("images")))
        result = {"images": stages[-1]}
        if return_stages:
            result["stages"] = stages
        if return_attention:
            result |= {name: all_of(name) for name in ("attention_scores", "word_gates")}
            words = self.tokenizer.vocabulary.words
            result["words"] = [[words[i] for i in ids if i] for ids in token_ids]
        return result if return_stages or return_attention else result["images"]

    def _draw(self, token_ids, seed, row):
        record = self.record
        noise, condition_noise = seeded_noise(
            record["noise_dim"], record["condition_dim"], seed, [row]
        )
        return self._run(token_ids=token_ids, noise=noise, condition_noise=condition_noise)


def padded_token_ids(tokenizer: Tokenizer, captions: Sequence[str], length: int) -> np.ndarray:
    """Returns the ids of captions, int32 `(captions, length)`, padded with 0 on the right.

    Raises:
        InputError: If a caption has no known word, or more than `length`.
    """
    token_ids = tokenizer.encode_batch(captions)
    for caption, ids in zip(captions, token_ids, strict=True):
        if np.count_nonzero(ids) > length:
            raise InputError(
                f"Expected captions of at most {length} known words, the limit of this export. "
                f"Received: {np.count_nonzero(ids)} in {shortened(caption)!r}. Shorten it, "
                "or export again with a longer --caption_length."
            )
    token_ids = token_ids[:, :length]
    return np.pad(token_ids, ((0, 0), (0, length - token_ids.shape[1])))


def read_record(folder: pathlib.Path, expected_format: str) -> dict:
    """Reads an export's record, and checks its files against it.

    Raises:
        InputError: If there is no export of this format, or a file of it has changed or is missing.
    """
    try:
        record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        found = record["format"]
        _ = [record[name] for name in _RECORDED]
        hashes = {name: record["files"][name] for name in (MODEL, VOCABULARY, TOKENIZER)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"Expected a folder of `python -m dmgan_tf.export --format={expected_format}` at "
            f"{folder}. Received: {first_line(error)} in {RECORD_NAME}."
        ) from error
    if found != expected_format:
        raise InputError(
            f"Expected an export of --format={expected_format} at {folder}. Received: {found}."
        )
    for name, expected in hashes.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != expected:
            raise InputError(
                f"Expected {folder / name} as it was exported. Received: another file or none. "
                "Copy the whole folder again."
            )
    return record


def import_runtime() -> types.ModuleType:
    """Imports the interpreter of ai-edge-litert when it is needed.

    Raises:
        InputError: If it is not installed.
    """
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ai_edge_litert":
            raise
        raise InputError(
            "Expected ai-edge-litert, which runs LiteRT models. Received: it is not installed. "
            'Add it with `pip install "dmgan_tf[litert]"`.'
        ) from error
    return interpreter
