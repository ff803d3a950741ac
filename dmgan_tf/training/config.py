"""The settings of training runs."""

import dataclasses
import math

from dmgan_tf.errors import InputError
from dmgan_tf.losses.adversarial import OBJECTIVES
from dmgan_tf.models.precision import PRECISIONS

NEGATIVES = ("gathered", "local")
ON_NAN = ("rollback", "stop")


class _Checked:
    """Settings that say by their flags' names what is wrong with them."""

    def _check(self, name, is_good, expected):
        if not is_good:
            raise InputError(
                f"Expected --{name} to be {expected}. Received: {getattr(self, name)}."
            )


@dataclasses.dataclass(frozen=True)
class RunSettings(_Checked):
    """How a run is kept and looked after; none of it changes what an intact run ends with.

    Args:
        checkpoint_every: Steps between two checkpoints, besides one an epoch; None for no others.
        keep_checkpoints: How many of the newest checkpoints stay.
        max_skipped_fraction: Largest share of a split's records that may be unreadable, in [0, 1].
        on_nan: `"rollback"` to the last checkpoint, or `"stop"`, after so many bad steps in a row.
        nan_patience: How many, at least 1.
        deterministic: Whether every step gives the same bits each time, see `determinism`; slower.
    """

    checkpoint_every: int | None = None
    keep_checkpoints: int = 3
    max_skipped_fraction: float = 0.01
    on_nan: str = "rollback"
    nan_patience: int = 10
    deterministic: bool = False

    def __post_init__(self):
        every = self.checkpoint_every
        self._check("checkpoint_every", every is None or every >= 1, "1 or more")
        for name in ("keep_checkpoints", "nan_patience"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        self._check("max_skipped_fraction", 0 <= self.max_skipped_fraction <= 1, "from 0 to 1")
        self._check("on_nan", self.on_nan in ON_NAN, f"one of {ON_NAN}")


@dataclasses.dataclass(frozen=True)
class Settings(_Checked):
    """What the settings of every run have in common.

    Args:
        precision: `"float32"`, `"bfloat16"` or `"float16"`; the last two are mixed with float32.
        strategy: `"default"`, `"mirrored"`, `"multi_worker"` or `"tpu"`; see
            `distribution.get_strategy`.
        seed: Of everything random, from 0 to 2**32 - 1.
    """

    precision: str = "float32"
    strategy: str = "default"
    seed: int = 0

    def __post_init__(self):
        self._check("precision", self.precision in PRECISIONS, f"one of {tuple(PRECISIONS)}")
        self._check("seed", 0 <= self.seed < 2**32, f"from 0 to {2**32 - 1}")

    @property
    def dtype_policy(self):
        """The Keras dtype policy of `precision`."""
        return PRECISIONS[self.precision]


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(Settings):
    """The settings of DAMSM pretraining; but for the backbone, the release's are the defaults.

    Reference: AttnGAN (CVPR 2018), section 3.2 and the authors' release, `pretrain_DAMSM.py`.

    Args:
        epochs: Passes over the training images of the whole run.
        batch_size: Images a step, over all devices; at least 2.
        image_backbone: `"inception_v3"`, the release's, which wants trained weights, or
            `"small_cnn"`, which trains from nothing.
        image_weights: A model directory with the weights of `inception_v3`, which also say which
            of the published networks it is; or None.
        backbone_channels: Width of `small_cnn`'s first convolution.
        encoder_input_size: Size in pixels to which the image encoder resizes; None for the
            backbone's own (299 for `inception_v3`, 64 for `small_cnn`).
        image_size: Size in pixels of the crops; None for the data set's.
        flip: Whether images are mirrored at random; not if captions say "left".
        crop: Whether images are cropped at random, to 64/76 of their side.
        word_dim: Size of the space that the two encoders share; even.
        embedding_dim: Size of the learned embedding of a word.
        dropout: Share of the embedding dropped in training, in [0, 1).
        max_words: Words of a caption that training reads.
        gamma1: Sharpness of the attention over regions.
        gamma2: Sharpness of the soft maximum over words.
        gamma3: Sharpness of the softmax over the batch.
        negatives: `"gathered"` or `"local"`: what a pair is told apart from where several devices
            share the batch; see `DAMSM`.
        learning_rate: Adam's, in the first epoch.
        learning_rate_decay: What an epoch multiplies it by, down to a tenth.
        precision, strategy, seed: See `Settings`.
    """

    epochs: int = 600
    batch_size: int = 48
    image_backbone: str = "small_cnn"
    image_weights: str | None = None
    backbone_channels: int = 32
    encoder_input_size: int | None = None
    image_size: int | None = None
    flip: bool = True
    crop: bool = True
    word_dim: int = 256
    embedding_dim: int = 300
    dropout: float = 0.5
    max_words: int = 18
    gamma1: float = 4.0
    gamma2: float = 5.0
    gamma3: float = 10.0
    negatives: str = "gathered"
    learning_rate: float = 0.002
    learning_rate_decay: float = 0.98

    def __post_init__(self):
        super().__post_init__()
        for name in ("epochs", "backbone_channels", "embedding_dim", "max_words"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        self._check("batch_size", self.batch_size >= 2, "2 or more")
        even = self.word_dim >= 2 and self.word_dim % 2 == 0
        self._check("word_dim", even, "an even number from 2 up")
        for name in ("encoder_input_size", "image_size"):
            size = getattr(self, name)
            self._check(name, size is None or size >= 16, "16 or more")
        self._check("dropout", 0 <= self.dropout < 1, "from 0 up to, not including, 1")
        for name in ("learning_rate", "gamma1", "gamma2", "gamma3"):
            value = getattr(self, name)
            self._check(name, math.isfinite(value) and value > 0, "a positive number")
        self._check("negatives", self.negatives in NEGATIVES, f"one of {NEGATIVES}")
        self._check("learning_rate_decay", 0 < self.learning_rate_decay <= 1, "above 0, at most 1")
        if self.image_weights and self.image_backbone != "inception_v3":
            raise InputError(
                "Expected --image_weights with --image_backbone=inception_v3 only. Received: "
                f"--image_backbone={self.image_backbone}, which trains from nothing."
            )


@dataclasses.dataclass(frozen=True)
class DMGANConfig(Settings):
    """The settings of DM-GAN training; the defaults are the paper's for CUB.

    Reference:
        Sections 3.4 and 3.5; for what the paper leaves open, the authors' release.

    Args:
        epochs: Passes over the training images of the whole run.
        batch_size: Images a step, over all devices.
        objective: `"paper"` (Eq. 11 and 12) or `"release"` (mismatched pairs, other weights).
        damsm_weight: Weight of the DAMSM losses (lambda 2): 5 (CUB) or 50 (COCO).
        kl_weight: Weight of the conditioning divergence (lambda 1).
        generator_learning_rate: Adam's, for the generator.
        discriminator_learning_rate: Adam's, for the discriminators.
        ema_decay: Decay of the generator's moving average, in [0, 1).
        ema_warmup: Whether the average forgets its first steps faster; for short runs.
        discriminator_augmentation: Whether discriminators see images, real and generated, shifted
            and with a square blanked (differentiable augmentation); for small data sets.
        channels: Channels of the generator's image features (N_r).
        discriminator_channels: Channels of a discriminator's first block.
        memory_dim: Size of a memory slot (N_m); None for twice `channels`.
        noise_dim: Size of the noise.
        condition_dim: Size of the augmented condition.
        num_residual_blocks: Residual blocks a refinement stage: 2 (CUB) or 3 (COCO).
        base_size: Side of the first image, in pixels; a power of two from 16 up.
        num_stages: Number of images, each twice the size of the one before.
        refinement: `"memory"`, or `"attention"` for the baseline of Table 3.
        writing_gate: Whether the memory has its writing gate.
        response_gate: Whether the memory has its response gate.
        max_words: Words of a caption that training reads: 18 (CUB) or 12 (COCO); None for as many
            as the DAMSM read.
        flip: Whether images are mirrored at random; not if captions say "left".
        crop: Whether images are cropped at random, to 64/76 of their side.
        precision, strategy, seed: See `Settings`.
    """

    epochs: int = 600
    batch_size: int = 10
    objective: str = "paper"
    damsm_weight: float = 5.0
    kl_weight: float = 1.0
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    ema_decay: float = 0.999
    ema_warmup: bool = False
    discriminator_augmentation: bool = False
    channels: int = 64
    discriminator_channels: int = 32
    memory_dim: int | None = None
    noise_dim: int = 100
    condition_dim: int = 100
    num_residual_blocks: int = 2
    base_size: int = 64
    num_stages: int = 3
    refinement: str = "memory"
    writing_gate: bool = True
    response_gate: bool = True
    max_words: int | None = None
    flip: bool = True
    crop: bool = True

    def __post_init__(self):
        super().__post_init__()
        for name in ("epochs", "batch_size", "channels", "discriminator_channels"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("noise_dim", "condition_dim", "num_stages"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("memory_dim", "max_words"):
            value = getattr(self, name)
            self._check(name, value is None or value >= 1, "1 or more")
        size = self.base_size
        self._check("base_size", size >= 16 and not size & (size - 1), "a power of two from 16 up")
        for name in ("damsm_weight", "kl_weight", "num_residual_blocks"):
            value = getattr(self, name)
            self._check(name, value >= 0 and math.isfinite(value), "0 or more")
        for name in ("generator_learning_rate", "discriminator_learning_rate"):
            value = getattr(self, name)
            self._check(name, value > 0 and math.isfinite(value), "a positive number")
        self._check("ema_decay", 0 <= self.ema_decay < 1, "from 0 up to, not including, 1")
        self._check("objective", self.objective in OBJECTIVES, f"one of {OBJECTIVES}")

    @property
    def image_sizes(self):
        """The sides of the stages' images, in pixels, smallest first."""
        return tuple(self.base_size * 2**stage for stage in range(self.num_stages))
