"""Networks that find the caption of a picture: a DAMSM, or CLIP."""

import dataclasses
import os

import numpy as np
from keras import ops

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.clip import ClipScorer
from dmgan_tf.evaluate.features import FeatureNetwork, weights_sha256
from dmgan_tf.evaluate.images import ImageSource
from dmgan_tf.evaluate.judge import Judge
from dmgan_tf.evaluate.score import SHUFFLE_SEED, Score, Settings
from dmgan_tf.metrics.clip import clip_score
from dmgan_tf.metrics.r_precision import CaptionRetrieval, r_precision
from dmgan_tf.models.model_directory import ModelComponents, load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage, padded_token_ids
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary, check_words_known

_CAPTIONS_AT_ONCE = 512
_OWN_DAMSM = (
    "R-precision by the DAMSM of the generator's training favours the generator; give another "
    "with --damsm, or see a CLIP score beside it (--metrics=clip)"
)


@dataclasses.dataclass(frozen=True)
class CaptionJudge(Judge):
    """A comparison of pictures with captions.

    Args:
        name: `damsm` or `clip`.
        network: uint8 images to `{"features": codes}`.
        retrieval: The captions' codes, with the draw of wrong answers.
        text_codes: The captions' codes, where similarity itself is a score; None where not.
        description: For the report, a dict of JSON values.
        warnings: Why its R-precision may be misleading.
    """

    name: str
    network: FeatureNetwork
    retrieval: CaptionRetrieval
    text_codes: np.ndarray | None
    description: dict
    warnings: tuple[str, ...] = ()

    def begin(self, images: ImageSource) -> "Verdicts":
        return Verdicts(self, images.plan.rows)

    def scores(self, gathered: "Verdicts", settings: Settings) -> list[Score]:
        num_images = len(gathered.hits)
        mean, deviation = r_precision(
            gathered.hits, min(settings.num_folds, num_images), SHUFFLE_SEED
        )
        score = Score(
            "r_precision" if self.text_codes is None else "clip_r_precision",
            protocol=self.name,
            value=100 * mean,
            deviation=100 * deviation,
            num_images=num_images,
            chance=100 * self.retrieval.chance,
            warnings=self.warnings,
        )
        if self.text_codes is None:
            return [score]
        similarity = float(np.mean(gathered.similarities))
        return [Score("clip_score", self.name, similarity, num_images=num_images), score]


def damsm_judge(
    directory: str | os.PathLike,
    plan: CaptionPlan,
    *,
    vocabulary: Vocabulary | None = None,
    seed: int = 0,
    drawn_by: DMGANTextToImage | None = None,
) -> CaptionJudge:
    """Loads a DAMSM as the judge of images.

    Args:
        directory: A run or model directory with text encoder and image encoder.
        plan: The `CaptionPlan` of the images.
        vocabulary: That of the captions' data set, which must be the DAMSM's; None without a data
            set.
        seed: Random seed of the wrong captions.
        drawn_by: The model that drew the images, if any. The report says if this DAMSM is the one
            it was trained with, recognised by its text encoder.

    Returns:
        A `CaptionJudge`.

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
        check_words_known(
            vocabulary, "the data set", components.vocabulary, f"the DAMSM {directory}"
        )
    is_own = drawn_by is not None and (
        weights_sha256(components.text_encoder) == weights_sha256(drawn_by.text_encoder)
    )
    return judge_by_encoders(components, plan, seed=seed, is_own=is_own, path=directory)


def judge_by_encoders(
    components: ModelComponents | DMGANTextToImage,
    plan: CaptionPlan,
    *,
    seed: int = 0,
    is_own: bool = False,
    path: str | os.PathLike | None = None,
    tokenizer: Tokenizer | None = None,
) -> CaptionJudge:
    """Makes a loaded DAMSM the judge of images.

    Args:
        components: Has a vocabulary, a text encoder and an image encoder.
        plan: The `CaptionPlan` of the images.
        seed: Random seed of the wrong captions.
        is_own: Whether the generator was trained with it, which the report then says.
        path: Where it came from, for the report.
        tokenizer: The vocabulary's `Tokenizer`, if there is one that has warned already.

    Returns:
        A `CaptionJudge`.

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
    encoder = components.image_encoder

    def image_codes(images):
        pixels = ops.cast(images, "float32") * (1 / 127.5) - 1
        return {"features": encoder(pixels)["image_code"]}

    return CaptionJudge(
        name="damsm",
        network=FeatureNetwork("damsm", image_codes, weights_sha256(encoder)),
        retrieval=CaptionRetrieval(np.concatenate(codes), plan.class_ids, seed=seed),
        text_codes=None,
        description={
            **({"path": str(path)} if path else {}),
            "image_encoder": encoder.backbone_name,
            "weights_sha256": weights_sha256(components.text_encoder, encoder),
            "vocabulary_sha256": components.vocabulary.sha256,
            "is_the_generators_own": is_own,
            "seed": seed,
        },
        warnings=(_OWN_DAMSM,) if is_own else (),
    )


def clip_judge(preset: str, plan: CaptionPlan, *, seed: int = 0) -> CaptionJudge:
    """Loads CLIP as the judge of images.

    Args:
        preset: A preset of keras-hub, or the directory of one.
        plan: The `CaptionPlan` of the images.
        seed: Random seed of the wrong captions.

    Returns:
        A `CaptionJudge`, whose similarities are CLIP scores.

    Raises:
        InputError: If keras-hub or the preset is not available.
    """
    scorer = ClipScorer.from_preset(preset)
    codes = scorer.encode_texts(plan.captions)
    sha256 = weights_sha256(scorer.backbone)
    return CaptionJudge(
        name="clip",
        network=FeatureNetwork(
            "clip",
            lambda images: {"features": scorer.encode_images(images)},
            sha256,
            in_graph=False,
        ),
        retrieval=CaptionRetrieval(codes, plan.class_ids, seed=seed),
        text_codes=codes,
        description={"preset": str(preset), "weights_sha256": sha256, "seed": seed},
    )


class Verdicts:
    """A judge's results for images, in order.

    Args:
        judge: The `CaptionJudge`.
        rows: int `(images,)`: the caption of each image.

    Attributes:
        hits: bool `(images so far,)`: which images found their caption.
        similarities: float64 `(images so far,)`: their CLIP scores; empty for other judges.
    """

    def __init__(self, judge: CaptionJudge, rows: np.ndarray):
        self._judge = judge
        self._rows = rows
        self.hits = np.zeros(0, bool)
        self.similarities = np.zeros(0)

    def update(self, codes: np.ndarray) -> None:
        """Adds the codes of the next images, `(batch, dim)`."""
        first = len(self.hits)
        rows = self._rows[first : first + len(codes)]
        if self._judge.text_codes is not None:
            scores = clip_score(codes, self._judge.text_codes[rows])
            self.similarities = np.concatenate([self.similarities, scores])
        found = self._judge.retrieval.hits(codes, rows, first)
        self.hits = np.concatenate([self.hits, found])

    def state(self) -> dict[str, np.ndarray]:
        """Returns what `restore` takes."""
        return {"hits": self.hits, "similarities": self.similarities}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` returned."""
        self.hits, self.similarities = state["hits"], state["similarities"]
