"""Sample sheets of a run's generator, and its current model."""

import copy
import dataclasses
import os
import pathlib
from collections.abc import Sequence

import keras

from dmgan_tf.data.records import DatasetInfo
from dmgan_tf.figures.contact_sheet import contact_sheet, save_png
from dmgan_tf.models.building import build_generator
from dmgan_tf.models.model_card import About
from dmgan_tf.models.model_directory import ModelComponents
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.registry.catalogue import OBJECTIVES
from dmgan_tf.training.config import DMGANConfig
from dmgan_tf.training.dmgan import DMGAN
from dmgan_tf.training.evaluation_history import MODEL_ENTRY

_SAMPLES_PER_CAPTION = 4


class CurrentModel:
    """A copy of the generator's moving average, on one device, for drawing and saving.

    Args:
        dmgan: The `DMGAN` in training.
        config: Its settings.
        info: Of the data set of training.
        encoders: The DAMSM's, loaded outside the distribution strategy.
        init: The model that training started from, if any.
    """

    def __init__(
        self,
        dmgan: DMGAN,
        config: DMGANConfig,
        info: DatasetInfo,
        encoders: ModelComponents,
        init: str | os.PathLike | None = None,
    ):
        self.dmgan = dmgan
        self.config = config
        self.info = info
        self.model = DMGANTextToImage(
            encoders.vocabulary,
            encoders.text_encoder,
            # In float32, as users of the model directory will draw.
            build_generator(config, encoders.text_encoder.word_dim, dtype="float32"),
            discriminators=dmgan.discriminators,
            image_encoder=encoders.image_encoder,
            # Only those of the DAMSM's entries that are needed to use it, not its origin.
            extra={
                **{name: value for name, value in encoders.extra.items() if name == "damsm"},
                "training": dataclasses.asdict(config),
                "objective": OBJECTIVES.describe(dmgan.objective),
                **({"started_from": str(init)} if init else {}),
            },
        )

    def update(self) -> None:
        """Copies the current weights."""
        pairs = zip(self.model.generator.weights, self.dmgan.average_generator.weights, strict=True)
        for mine, average in pairs:
            mine.assign(keras.ops.convert_to_numpy(average))

    @property
    def step(self) -> int:
        """How many training steps were taken."""
        return int(self.dmgan.steps_done.numpy())

    def save(self, directory: str | os.PathLike, evaluation: dict | None = None) -> None:
        """Writes a model directory, with its model card.

        Args:
            directory: The directory to write.
            evaluation: Its evaluation during training, for a model that was chosen by it, as
                `EvaluationHistory.entry` makes it.
        """
        model = copy.copy(self.model)
        if evaluation is not None:
            model.extra = {**model.extra, MODEL_ENTRY: evaluation}
        about = About(
            data=self.info.summary,
            training=f"- steps so far: {self.step}, batch {self.config.batch_size}\n"
            f"- the generator's weights are their moving average of {self.config.ema_decay}",
        )
        model.save_to_preset(directory, about=about)


class SampleSheets(keras.callbacks.Callback):
    """Draws the same captions with the same noise during training.

    Args:
        current_model: The model that draws.
        directory: Directory of the sheets, `step-00000500.png`; `latest.png` is the newest.
        captions: What to draw, four times each.
        every: Steps between two sheets, in addition to one per epoch; None for none.
        initial_step: Steps that were taken before.
    """

    def __init__(
        self,
        current_model: CurrentModel,
        directory: pathlib.Path,
        captions: Sequence[str],
        every: int | None = None,
        initial_step: int = 0,
    ):
        super().__init__()
        self.current_model = current_model
        self.directory = directory
        self.captions = list(captions)
        self.every = every
        self.step = initial_step

    def on_train_begin(self, logs=None):
        # A sheet is drawn after its step is saved, so an interruption may have come between.
        if self.step and self._is_due() and not self._path().exists():
            self.draw()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self._is_due():
            self.draw()

    def on_epoch_end(self, epoch, logs=None):
        self.draw()

    def draw(self) -> pathlib.Path:
        """Draws a sheet of the current model, and returns its path."""
        self.current_model.update()
        repeated = [caption for caption in self.captions for _ in range(_SAMPLES_PER_CAPTION)]
        images = self.current_model.model.generate(repeated, seed=0)
        sheet = contact_sheet(
            images,
            self.captions,
            samples_per_caption=_SAMPLES_PER_CAPTION,
            title=f"after {self.step} steps",
        )
        path = self._path()
        save_png(self.directory / "latest.png", sheet)
        save_png(path, sheet)
        return path

    def _is_due(self):
        return self.every and self.step % self.every == 0

    def _path(self):
        return self.directory / f"step-{self.step:08d}.png"
