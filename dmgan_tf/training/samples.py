"""What a run shows and keeps of its generator: sample sheets, and the current model."""

import dataclasses

import keras

from dmgan_tf.figures.contact_sheet import contact_sheet, save_png
from dmgan_tf.models.text_to_image import DMGANTextToImage


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
        self.model = DMGANTextToImage(
            vocabulary,
            encoders.text_encoder,
            # Drawn in float32, as users of the model directory will draw.
            config.build_generator(encoders.text_encoder.word_dim, dtype="float32"),
            discriminators=dmgan.discriminators,
            image_encoder=encoders.image_encoder,
            # Of the DAMSM's own entries, those that say how to use it; not where it came from.
            extra={
                **{name: value for name, value in encoders.extra.items() if name == "damsm"},
                "training": dataclasses.asdict(config),
                **({"started_from": str(init)} if init else {}),
            },
        )

    def update(self):
        """Takes over the weights as they are now."""
        pairs = zip(self.model.generator.weights, self.dmgan.average_generator.weights, strict=True)
        for mine, average in pairs:
            mine.assign(keras.ops.convert_to_numpy(average))

    def save(self, directory, readme):
        """Writes a model directory."""
        self.model.save_to_preset(directory, readme=readme)


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

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.every and self.step % self.every == 0:
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
        path = self.directory / f"step-{self.step:08d}.png"
        save_png(path, sheet)
        save_png(self.directory / "latest.png", sheet)
        return path
