"""Keras layers, each one idea of the paper."""

from dmgan_tf.layers.attention import WordAttention
from dmgan_tf.layers.blocks import (
    GLU,
    DownsampleBlock,
    ResidualBlock,
    UpsampleBlock,
    UpsampleConv2D,
)
from dmgan_tf.layers.conditioning import ConditioningAugmentation
from dmgan_tf.layers.memory import DynamicMemory, GatedResponse, MemoryReading, MemoryWriting
from dmgan_tf.layers.normalization import BatchNorm
from dmgan_tf.layers.spectral import SpectralConv2D

__all__ = [
    "BatchNorm",
    "ConditioningAugmentation",
    "DownsampleBlock",
    "DynamicMemory",
    "GLU",
    "GatedResponse",
    "MemoryReading",
    "MemoryWriting",
    "ResidualBlock",
    "SpectralConv2D",
    "UpsampleBlock",
    "UpsampleConv2D",
    "WordAttention",
]
