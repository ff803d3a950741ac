"""What a run shows and keeps of its generator: sample sheets, and the current model."""

import copy
import dataclasses

import keras

from dmgan_tf.figures.contact_sheet import contact_sheet, save_png
from dmgan_tf.models import model_card as cards
from dmgan_tf.models.building import build_generator
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.registry.catalogue import OBJECTIVES


class CurrentModel:
    """A copy of the generator's moving average, on one device, for drawing and saving.

    Args:
        dmgan: The `DMGAN` in training.
        config: Its `DMGANConfig`.
        vocabulary: The text encoder's `Vocabulary`.
        encoders: The DAMSM's `ModelComponents`, loaded outside the distribution strategy.
        init: The model that training started from, if from one.
    """

    def __init__(self, dmgan, config, vocabulary, encoders, init=None):
        self.dmgan = dmgan
        self.config = config
        self.model = DMGANTextToImage(
            vocabulary,
            encoders.text_encoder,
            # Drawn in float32, as users of the model directory will draw.
            build_generator(config, encoders.text_encoder.word_dim, dtype="float32"),
            discriminators=dmgan.discriminators,
            image_encoder=encoders.image_encoder,
            # Of the DAMSM's own entries, those that say how to use it; not where it came from.
            extra={
                **{name: value for name, value in encoders.extra.items() if name == "damsm"},
                "training": dataclasses.asdict(config),
                "objective": OBJECTIVES.describe(dmgan.objective),
                **({"started_from": str(init)} if init else {}),
            },
        )

    def update(self):
        """Takes over the weights as they are now."""
        pairs = zip(self.model.generator.weights, self.dmgan.average_generator.weights, strict=True)
        for mine, average in pairs:
            mine.assign(keras.ops.convert_to_numpy(average))

    @property
    def step(self):
        """How many training steps were taken."""
        return int(self.dmgan.steps_done.numpy())

    def save(self, directory, readme, **entries):
        """Writes a model directory, with further entries of its `config.json` if given."""
        model = copy.copy(self.model)
        model.extra = {**model.extra, **entries}
        model.save_to_preset(directory, readme=readme)


def model_card(current_model, info, evaluation=None):
    """The README.md of a trained model.

    Args:
        current_model: The `CurrentModel`.
        info: The `DatasetInfo` of what it was trained on.
        evaluation: Its evaluation during training, for a model that was chosen by it: a dict as
            `EvaluationHistory.entry` makes it.

    Returns:
        Markdown.
    """
    model, config = current_model.model, current_model.config
    chosen = ""
    if evaluation is not None:
        chosen = (
            "- chosen after epoch {epoch} (step {step}) for the lowest FID of the run, {fid:.4g} "
            "by {protocol}: {num_images} images of validation captions against {num_reference} "
            "real ones; R-precision by the DAMSM of training {r_precision:.1f} % (chance "
            "{r_precision_chance:.1f} %). These compare the epochs of a run, not papers.\n"
        ).format(**evaluation)
    about = cards.About(
        data=f"{info.name}, {info.split('train').num_images} training images.",
        training=(
            f"- steps so far: {current_model.step}, batch {config.batch_size}\n"
            f"- the generator's weights are their moving average of {config.ema_decay}"
        ),
        scores=chosen,
    )
    return cards.model_card(
        model.vocabulary,
        model.discriminators,
        text_encoder=model.text_encoder,
        generator=model.generator,
        image_encoder=model.image_encoder,
        extra=model.extra,
        about=about,
    )


class SampleSheets(keras.callbacks.Callback):
    """Draws the same captions with the same noise as training goes on.

    Args:
        current_model: A `CurrentModel`.
        directory: Where the sheets go, as `step-00000500.png`; `latest.png` is the newest.
        captions: What to draw.
        every: Steps between two sheets, besides one at the end of every epoch; None for none.
        samples_per_caption: Images of each caption.
        initial_step: Steps that were taken before.
    """

    def __init__(
        self,
        current_model,
        directory,
        captions,
        every=None,
        samples_per_caption=4,
        initial_step=0,
    ):
        super().__init__()
        self.current_model = current_model
        self.directory = directory
        self.captions = list(captions)
        self.every = every
        self.samples_per_caption = samples_per_caption
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

    def draw(self):
        """Draws a sheet of the model as it is now, and returns its path."""
        self.current_model.update()
        repeated = [c for c in self.captions for _ in range(self.samples_per_caption)]
        images = self.current_model.model.generate(repeated, seed=0)
        sheet = contact_sheet(
            images,
            self.captions,
            samples_per_caption=self.samples_per_caption,
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
