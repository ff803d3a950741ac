"""The registered names: a new class of the package needs its own file, and one line here.

The classes are named, not imported, so that `--help` can list them without loading a framework.
"""

from dmgan_tf.registry.lookup import Registry

OBJECTIVES = Registry(
    "objective",
    base="dmgan_tf.losses.objective:Objective",
    classes={
        "paper": "dmgan_tf.losses.objective:PaperObjective",
        "release": "dmgan_tf.losses.objective:ReleaseObjective",
    },
)
DISCRIMINATORS = Registry(
    "discriminator",
    base="dmgan_tf.models.discriminator:DiscriminatorBase",
    classes={
        "dm_gan": "dmgan_tf.models.discriminator:Discriminator",
        "projected": "dmgan_tf.models.projected_discriminator:ProjectedDiscriminator",
    },
)
IMAGE_BACKBONES = Registry(
    "image backbone",
    base="dmgan_tf.models.backbones:ImageBackbone",
    classes={
        "efficientnet_lite0": "dmgan_tf.models.backbones:Lite0Backbone",
        "inception_v3": "dmgan_tf.models.backbones:InceptionBackbone",
        "small_cnn": "dmgan_tf.models.backbones:SmallCNN",
    },
)
WORD_EMBEDDINGS = Registry(
    "word embedding",
    base="dmgan_tf.layers.word_embedding:WordEmbedding",
    classes={
        "learned": "dmgan_tf.layers.word_embedding:LearnedEmbedding",
        "word_vectors": "dmgan_tf.layers.word_embedding:WordVectorEmbedding",
    },
)
DATA_SOURCES = Registry(
    "data source",
    base="dmgan_tf.data.sources.source:Source",
    classes={
        "image_folder": "dmgan_tf.data.sources.image_folder:ImageFolder",
        "cub": "dmgan_tf.data.sources.cub:CUB",
        "coco": "dmgan_tf.data.sources.coco:COCO",
        "avatars": "dmgan_tf.data.sources.avatars.source:Avatars",
    },
)
