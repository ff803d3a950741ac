"""Networks that tell which caption a picture was drawn from: a DAMSM, or CLIP."""

import dataclasses

import numpy as np
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.clip import ClipScorer, clip_score
from dmgan_tf.metrics.features import weights_sha256
from dmgan_tf.metrics.r_precision import CaptionRetrieval
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import padded_token_ids
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import check_same_vocabulary

_CAPTIONS_AT_ONCE = 512
_OWN_DAMSM = (
    "R-precision by the DAMSM that the generator was trained against flatters it; give another "
    "with --damsm, or see a CLIP score beside it (--metrics=clip)"
)


class ImageCodes:
    """An image encoder as a network of `score_images`: uint8 images to codes.

    Args:
        image_encoder: A DAMSM's `ImageEncoder`.
        name: For the report.
    """

    in_graph = True

    def __init__(self, image_encoder, name):
        self.name = name
        self.network = image_encoder
        self.sha256 = weights_sha256(image_encoder)

    def __call__(self, images):
        pixels = ops.cast(images, "float32") * (1 / 127.5) - 1
        return {"features": self.network(pixels)["image_code"]}


class ClipCodes:
    """CLIP's image tower as a network of `score_images`.

    Args:
        scorer: A `ClipScorer`.
    """

    in_graph = False

    def __init__(self, scorer):
        self.name = "clip"
        self.sha256 = weights_sha256(scorer.backbone)
        self._scorer = scorer

    def __call__(self, images):
        return {"features": self._scorer.encode_images(images)}


@dataclasses.dataclass(frozen=True)
class Judge:
    """Who compares pictures with captions.

    Args:
        name: `damsm` or `clip`.
        network: uint8 images to `{"features": codes}`.
        retrieval: The captions' codes, with the draw of wrong answers.
        text_codes: The captions' codes, where similarity itself is a score; None where not.
        description: For the report, a dict of JSON values.
        warnings: Why its R-precision may not be what it seems.
    """

    name: str
    network: object
    retrieval: CaptionRetrieval
    text_codes: np.ndarray | None
    description: dict
    warnings: tuple[str, ...] = ()


def damsm_judge(directory, plan, *, vocabulary=None, seed=0, drawn_by=None):
    """A DAMSM as the judge of images.

    Args:
        directory: A run or model directory with text encoder and image encoder.
        plan: The `CaptionPlan` of the images.
        vocabulary: That of the data set which the captions are of, to be the DAMSM's; None where
            they are of none.
        seed: Of the draw of wrong captions.
        drawn_by: The `DMGANTextToImage` that drew the images, if one did. The report says if this
            DAMSM is the one it was trained against, known by its text encoder.

    Returns:
        A `Judge`.

    Raises:
        InputError: If there is no DAMSM, or it has another vocabulary, or it knows no word of a
            caption.
    """
    components = load_model_directory(directory)
    for part in ("text_encoder", "image_encoder", "vocabulary"):
        if getattr(components, part) is None:
            raise InputError(
                f"Expected a DAMSM in {directory} to judge R-precision. Received: a model without "
                f"{part.replace('_', ' ')}. Give one that has it with --damsm=DIR."
            )
    if vocabulary is not None:
        check_same_vocabulary(
            vocabulary, "the data set", components.vocabulary, f"the DAMSM {directory}"
        )
    is_own = drawn_by is not None and (
        weights_sha256(components.text_encoder) == weights_sha256(drawn_by.text_encoder)
    )
    return judge_by_encoders(components, plan, seed=seed, is_own=is_own, path=directory)


def judge_by_encoders(components, plan, *, seed=0, is_own=False, path=None, tokenizer=None):
    """A DAMSM that is loaded already as the judge of images.

    Args:
        components: Has `vocabulary`, `text_encoder` and `image_encoder`, as `ModelComponents`.
        plan: The `CaptionPlan` of the images.
        seed: Of the draw of wrong captions.
        is_own: Whether the generator was trained against it, which the report then says.
        path: Where it came from, for the report.
        tokenizer: The vocabulary's `Tokenizer`, if there is one that has warned already.

    Returns:
        A `Judge`.

    Raises:
        InputError: If the DAMSM knows no word of a caption.
    """
    tokenizer = tokenizer or Tokenizer(components.vocabulary)
    tokenizer.warn_of_unknown(plan.captions)
    codes = []
    for start in range(0, len(plan.captions), _CAPTIONS_AT_ONCE):
        captions = plan.captions[start : start + _CAPTIONS_AT_ONCE]
        token_ids = padded_token_ids(tokenizer, captions)
        codes.append(components.text_encoder.predict_on_batch(token_ids)["sentence_embedding"])
    network = ImageCodes(components.image_encoder, "damsm")
    return Judge(
        name="damsm",
        network=network,
        retrieval=CaptionRetrieval(np.concatenate(codes), plan.class_ids, seed=seed),
        text_codes=None,
        description={
            **({"path": str(path)} if path else {}),
            "image_encoder": components.image_encoder.backbone_name,
            "weights_sha256": weights_sha256(components.text_encoder, components.image_encoder),
            "vocabulary_sha256": components.vocabulary.sha256,
            "is_the_generators_own": is_own,
            "seed": seed,
        },
        warnings=(_OWN_DAMSM,) if is_own else (),
    )


def clip_judge(preset, plan, *, seed=0):
    """CLIP as the judge of images.

    Args:
        preset: A preset of keras-hub, or the directory of one.
        plan: The `CaptionPlan` of the images.
        seed: Of the draw of wrong captions.

    Returns:
        A `Judge`, whose similarities are CLIP scores.

    Raises:
        InputError: If keras-hub or the preset cannot be had.
    """
    scorer = ClipScorer.from_preset(preset)
    codes = scorer.encode_texts(plan.captions)
    network = ClipCodes(scorer)
    return Judge(
        name="clip",
        network=network,
        retrieval=CaptionRetrieval(codes, plan.class_ids, seed=seed),
        text_codes=codes,
        description={"preset": str(preset), "weights_sha256": network.sha256, "seed": seed},
    )


class RetrievalHits:
    """Which images found their caption, gathered in order.

    Args:
        retrieval: A `CaptionRetrieval`.
        rows: The caption of each image.
    """

    def __init__(self, retrieval, rows):
        self._retrieval = retrieval
        self._rows = rows
        self._parts = []
        self._count = 0

    @property
    def hits(self):
        """bool `(images so far,)`."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, bool)

    def update(self, codes):
        """Adds the codes of the images that follow."""
        rows = self._rows[self._count : self._count + len(codes)]
        self._parts.append(self._retrieval.hits(codes, rows, self._count))
        self._count += len(codes)

    def state(self):
        """What `restore` takes."""
        return {"hits": self.hits}

    def restore(self, state):
        """Goes on from what `state` returned."""
        self._parts = [state["hits"]]
        self._count = len(state["hits"])


class SimilarityScores:
    """The CLIP score of every image with its caption, gathered in order.

    Args:
        text_codes: The codes of all captions.
        rows: The caption of each image.
    """

    def __init__(self, text_codes, rows):
        self._text_codes = text_codes
        self._rows = rows
        self._parts = []

    @property
    def scores(self):
        """float64 `(images so far,)`."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0)

    def update(self, codes):
        """Adds the codes of the images that follow."""
        start = sum(map(len, self._parts))
        rows = self._rows[start : start + len(codes)]
        self._parts.append(clip_score(codes, self._text_codes[rows]))

    def state(self):
        """What `restore` takes."""
        return {"scores": self.scores}

    def restore(self, state):
        """Goes on from what `state` returned."""
        self._parts = [state["scores"]]
