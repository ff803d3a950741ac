"""Evaluation during training: FID and R-precision on validation captions, and the best model."""

import dataclasses
import logging
from collections.abc import Callable

import keras
import tensorflow as tf

from dmgan_tf.data.records import DatasetInfo
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.evaluate.images import GeneratedImages, StoredImages
from dmgan_tf.evaluate.judges import judge_by_encoders
from dmgan_tf.evaluate.networks import choose_networks
from dmgan_tf.evaluate.replicas import OverReplicas
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training.config import EvaluationSettings
from dmgan_tf.training.evaluation_history import EvaluationHistory
from dmgan_tf.training.samples import CurrentModel

SPLIT = "validation"
LOGS = {"fid": "validation_fid", "r_precision": "validation_r_precision"}
_SETTINGS = Settings()


class ValidationScorer:
    """Scores a model on the captions of a data set's validation split.

    Its network and captions are loaded at once, so that missing ones are reported before the
    training networks are built.

    Args:
        settings: The settings.
        info: Of the data set.
        image_size: Pixels of the generated images.
        crop: Whether training crops, so that real images are cropped to that scale.

    Raises:
        InputError: If the data set has no validation split, or weights are missing.
    """

    def __init__(
        self, settings: EvaluationSettings, info: DatasetInfo, image_size: int, crop: bool
    ):
        _check_split(info)
        # One device under any strategy of training, as for the model that draws.
        self._strategy = tf.distribute.get_strategy()
        protocols = [settings.protocol] if settings.protocol else None
        (network,) = choose_networks(["fid"], protocols, settings.inceptions, settings.features)
        self._network = _TracedOnce(network, self._strategy)
        self._plan = choose_captions(
            list_captions(info.directory, SPLIT),
            settings.num_images,
            settings.seed,
            {"data": str(info.directory), "split": SPLIT, "fingerprint": info.fingerprint},
        )
        self._seed = settings.seed
        self._real_images = StoredImages(info.directory, SPLIT, size=image_size, crop=crop)
        self._references = self._images = self._judge = None
        self.comparison = {
            "protocol": network.name,
            "network_sha256": network.sha256,
            "num_images": settings.num_images,
            "num_reference": self._real_images.num_images,
            "seed": settings.seed,
            "image_size": image_size,
            "crop": crop,
            "captions_sha256": self._plan.sha256(),
            "data_fingerprint": info.fingerprint,
        }

    def bind(self, model: DMGANTextToImage) -> None:
        """Prepares to score a model, whose weights may change afterwards.

        Args:
            model: With the DAMSM of its training, which measures R-precision.

        Raises:
            InputError: If it knows no word of a caption, or the captions are of one class.
        """
        # First the judge, which reads every caption: unknown words then give one warning.
        judge = judge_by_encoders(
            model, self._plan, seed=self._seed, is_own=True, tokenizer=model.tokenizer
        )
        self._judge = dataclasses.replace(judge, network=_TracedOnce(judge.network, self._strategy))
        self._images = GeneratedImages(model, self._plan, seed=self._seed, strategy=self._strategy)

    def measure_reference(self) -> None:
        """Passes the real images through the network, once; needed before `score`."""
        self._references = measure_reference(
            self._real_images,
            [self._network],
            ["fid"],
            settings=_SETTINGS,
            strategy=self._strategy,
            show_progress=True,
        )

    def score(self) -> dict[str, float]:
        """Draws the captions with the current model, and scores the images.

        Returns:
            A dict of `fid`, `r_precision` and `r_precision_chance`, the latter two in percent.
        """
        fid, r_precision = score_images(
            self._images,
            [self._network],
            ["fid"],
            references=self._references,
            judges=[self._judge],
            settings=_SETTINGS,
            strategy=self._strategy,
        )
        return {
            "fid": fid.value,
            "r_precision": r_precision.value,
            "r_precision_chance": r_precision.chance,
        }


class PeriodicEvaluation(keras.callbacks.Callback):
    """Adds FID and R-precision to the logs of every few epochs, and keeps the best model.

    Put it before the callbacks that report, and `keep` after the one that saves checkpoints: an
    evaluation is saved only when the run can continue from its step.

    Args:
        scorer: The `Scorer`.
        current_model: The model to evaluate.
        history: The file of evaluations.
        save_best: Writes the best model; called with its evaluation, a dict.
        every: Epochs between two evaluations.
        epochs: Epochs of the whole run; the last one is always evaluated.
    """

    def __init__(
        self,
        scorer: ValidationScorer,
        current_model: CurrentModel,
        history: EvaluationHistory,
        save_best: Callable[[dict], None],
        every: int,
        epochs: int,
    ):
        super().__init__()
        self.scorer = scorer
        self.current_model = current_model
        self.history = history
        self.save_best = save_best
        self.every = every
        self.epochs = epochs
        self._entry = None

    def begin(self, step: int, steps_per_epoch: int) -> None:
        """Prepares for training, and does an evaluation that an interruption prevented.

        Args:
            step: Training steps done.
            steps_per_epoch: Steps of an epoch.
        """
        self.history.begin()
        epochs_done, within = divmod(step, steps_per_epoch)
        is_missing = (
            step > 0
            and not within
            and self._is_due(epochs_done)
            and self.history.find(step) is None
        )
        if epochs_done >= self.epochs and not is_missing:
            return
        comparison = self.scorer.comparison
        logging.info(
            "Evaluating every %d epochs: FID (%s) of %d images of validation captions against %d "
            "real ones, and R-precision by the DAMSM of training. So few images and this judge "
            "compare the epochs of a run; the scores are not comparable with a paper's numbers.",
            self.every,
            comparison["protocol"],
            comparison["num_images"],
            comparison["num_reference"],
        )
        self.scorer.measure_reference()
        if is_missing:
            self._evaluate(epochs_done)
            logging.info("epoch %d: FID %.4g", epochs_done, self._entry["fid"])
            self.keep()

    def on_epoch_end(self, epoch, logs=None):
        if not self._is_due(epoch + 1):
            return
        entry = self.history.find(self.current_model.step)  # where the epoch's end is repeated
        if entry is None:
            entry = self._evaluate(epoch + 1)
        logs.update({log: entry[name] for name, log in LOGS.items()})

    def keep(self, epoch: int | None = None, logs: dict | None = None) -> None:
        """Saves the evaluation of this epoch, if there was one, and the model if it is the best."""
        if self._entry is None:
            return
        if self.history.is_best(self._entry):
            self.save_best(self._entry)
        self.history.add(self._entry)
        self._entry = None

    def _is_due(self, epochs_done):
        return epochs_done % self.every == 0 or epochs_done >= self.epochs

    def _evaluate(self, epochs_done):
        self.current_model.update()
        scores = self.scorer.score()
        self._entry = self.history.entry(epochs_done, self.current_model.step, scores)
        return self._entry


class _TracedOnce:
    """A network whose graph is reused in every evaluation; `score_images` would trace each time."""

    in_graph = False  # called unchanged

    def __init__(self, network, strategy):
        for name in ("name", "dim", "metrics", "sha256", "description"):
            setattr(self, name, getattr(network, name, None))
        self._run = network
        if network.in_graph:
            self._run = OverReplicas(network, strategy, _SETTINGS.batch_size)

    def __call__(self, images):
        return self._run(images)


def _check_split(info):
    """Raises an error if there are fewer than two images, which have no covariance."""
    held = info.splits[SPLIT].num_images if SPLIT in info.splits else 0
    if held < 2:
        raise InputError(
            "Expected a validation split of 2 images or more in the data set "
            f"{info.directory}, for --during_training. Received: {held or 'none'}. Prepare the "
            "data set again into another directory, with --validation_fraction=0.1, and train the "
            "DAMSM on that; the test split is not used to choose a model."
        )
