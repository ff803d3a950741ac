"""The authors' released weights as our networks, and ours in the release's format.

All sizes are read from the shapes, so any width, number of stages, residual blocks and words that
the authors' code supports is converted. The minimum size of such a network is compared with the
file before it is built: it needs no more memory than the file has bytes.
"""

import itertools
import logging
import os
import pathlib
from collections.abc import Sequence

from dmgan_tf.convert import release_layout
from dmgan_tf.convert.caption_pickle import check_can_be_written, write_vocabulary
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.convert.state_dict import (
    DISCRIMINATOR,
    GENERATOR,
    IMAGE_ENCODER,
    TEXT_ENCODER,
    StateDict,
)
from dmgan_tf.errors import InputError
from dmgan_tf.models.claimed_size import TooLarge, build_within
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.model_directory import ModelComponents
from dmgan_tf.models.text_encoder import TextEncoder

_logger = logging.getLogger(__name__)

# Entries of PyTorch and the release that are not weights, or that follow from the weights.
_KNOWN_EXTRAS = ("num_batches_tracked", "weight_v")
_MOST_OF_A_KIND = 16  # stages, blocks or doublings; a file may have any number


def read_text_encoder(path: str | os.PathLike) -> TextEncoder:
    """Reads the release's `RNN_ENCODER`, a bidirectional LSTM of one layer.

    Args:
        path: A PyTorch file.

    Returns:
        A built `TextEncoder`.

    Raises:
        InputError: If the file has none, or one of another kind (a GRU, several layers).
    """
    state = StateDict.open(path, TEXT_ENCODER)
    vocabulary_size, embedding_dim = state.shape("encoder.weight", 2)
    gates, units = state.shape("rnn.weight_hh_l0", 2)
    if gates == 3 * units or "rnn.weight_ih_l1" in state:
        found = "several layers" if "rnn.weight_ih_l1" in state else "a GRU"
        raise InputError(
            f"Expected the text encoder in {path} to be an LSTM of one layer, the release's. "
            f"Received: {found}, which dmgan_tf does not have."
        )
    sizes = {
        "vocabulary_size": vocabulary_size,
        "word_dim": 2 * units,
        "embedding_dim": embedding_dim,
    }
    return _filled(TextEncoder, sizes, release_layout.text_encoder_entries, state)


def read_image_encoder(path: str | os.PathLike) -> ImageEncoder:
    """Reads the release's `CNN_ENCODER`, the DAMSM's image encoder on Inception-v3.

    Args:
        path: A PyTorch file.

    Returns:
        A built `ImageEncoder`.

    Raises:
        InputError: If the file holds none.
    """
    state = StateDict.open(path, IMAGE_ENCODER)
    embedding_dim, _ = state.shape("emb_cnn_code.weight", 2)
    sizes = {"embedding_dim": embedding_dim, "backbone": "inception_v3"}
    return _filled(ImageEncoder, sizes, release_layout.image_encoder_entries, state)


def read_generator(path: str | os.PathLike) -> Generator:
    """Reads the release's `G_NET`, or AttnGAN's, which is the baseline of the paper's Table 3.

    Args:
        path: A PyTorch file.

    Returns:
        A built `Generator`.

    Raises:
        InputError: If the file holds none, or its tensors do not fit one another.
    """
    state = StateDict.open(path, GENERATOR)
    channels = state.shape("img_net1.img.0.weight", 4)[1]
    rows, word_dim = state.shape("ca_net.fc.weight", 2)
    condition_dim = rows // 4
    noise_dim = state.shape("h_net1.fc.0.weight", 2)[1] - condition_dim
    if noise_dim < 1 or rows % 4:
        raise InputError(
            f"Expected h_net1.fc.0.weight in {path} to read a condition and noise, and "
            f"ca_net.fc.weight to have 4 rows a dimension of the condition. Received: "
            f"{condition_dim + noise_dim} columns and {rows} rows."
        )
    doublings = _count(state, "h_net1.upsample{}.1.weight")
    refinements = _count(state, "h_net{}.upsample.1.weight", first=2)
    sizes = {
        "channels": channels,
        "noise_dim": noise_dim,
        "condition_dim": condition_dim,
        "word_dim": word_dim,
        "num_residual_blocks": 2,
        "base_size": 4 * 2**doublings,
        "num_stages": 1 + refinements,
    }
    if refinements:
        sizes |= _refinement_sizes(state)
    return _filled(Generator, sizes, release_layout.generator_entries, state)


def _refinement_sizes(state):
    sizes = {"num_residual_blocks": _count(state, "h_net2.residual.{}.block.0.weight", first=0)}
    if "h_net2.att.conv_context.weight" in state:
        return {**sizes, "refinement": "attention"}
    return {**sizes, "memory_dim": state.shape("h_net2.M_w.0.weight", 3)[0]}


def read_discriminator(path: str | os.PathLike) -> Discriminator:
    """Reads one of the release's `D_NET64`, `D_NET128` and `D_NET256`.

    Args:
        path: A PyTorch file.

    Returns:
        A built `Discriminator` for images of the size in the tensors' names.

    Raises:
        InputError: If the file holds none, or its tensors do not fit one another.
    """
    state = StateDict.open(path, DISCRIMINATOR)
    channels = state.shape("img_code_s16.0.module.weight_bar", 4)[0]
    image_size = 64
    while f"img_code_s{image_size // 2}.0.module.weight_bar" in state:
        image_size *= 2
    joint_channels = state.shape("COND_DNET.jointConv.0.module.weight_bar", 4)[1]
    sentence_dim = joint_channels - 8 * channels
    if sentence_dim < 1:
        raise InputError(
            f"Expected COND_DNET.jointConv in {path} to read {8 * channels} image features and a "
            f"sentence. Received: {joint_channels} channels in all."
        )
    sizes = {"image_size": image_size, "channels": channels, "sentence_dim": sentence_dim}
    return _filled(Discriminator, sizes, release_layout.discriminator_entries, state)


def read_release(
    *,
    text_encoder: str | os.PathLike | None = None,
    image_encoder: str | os.PathLike | None = None,
    generator: str | os.PathLike | None = None,
    discriminators: Sequence[str | os.PathLike] = (),
) -> dict:
    """Reads any of the release's files, and checks that the networks match.

    Args:
        text_encoder: File of the text encoder.
        image_encoder: File of the DAMSM's image encoder.
        generator: File of the generator.
        discriminators: Files of the discriminators, in any order.

    Returns:
        A dict of built networks, named as in `ModelComponents`.

    Raises:
        InputError: If a file cannot be read, or two networks differ in the size of word features.
    """
    networks, word_sizes = {}, []
    for name, path, read, size in (
        ("text_encoder", text_encoder, read_text_encoder, "word_dim"),
        ("image_encoder", image_encoder, read_image_encoder, "embedding_dim"),
        ("generator", generator, read_generator, "word_dim"),
    ):
        if path:
            networks[name] = read(path)
            word_sizes.append((getattr(networks[name], size), name.replace("_", " "), path))
    read = sorted(
        ((read_discriminator(path), path) for path in discriminators if path),
        key=lambda pair: pair[0].image_size,
    )
    if read:
        networks["discriminators"] = [network for network, _ in read]
        word_sizes += [(network.sentence_dim, "discriminator", path) for network, path in read]
        _check_image_sizes(read, networks.get("generator"), generator)
    for size, kind, path in word_sizes[1:]:
        first_size, first_kind, first_path = word_sizes[0]
        if size != first_size:
            raise InputError(
                f"Expected networks that were trained together. Received: the {first_kind} "
                f"{first_path} with word and sentence features of {first_size} values, and the "
                f"{kind} {path} with {size}. Convert files of one training."
            )
    return networks


def _check_image_sizes(read, generator, generator_path):
    """No two discriminators of a size, and each of a size that the generator draws."""
    for (network, path), (following, other) in itertools.pairwise(read):
        if network.image_size == following.image_size:
            raise InputError(
                f"Expected one discriminator an image size. Received two for {network.image_size} "
                f"pixels: {path} and {other}. Give each file once."
            )
    for network, path in read:
        if generator is not None and network.image_size not in generator.image_sizes:
            raise InputError(
                f"Expected discriminators for the images of the generator {generator_path}, of "
                f"{', '.join(map(str, generator.image_sizes))} pixels. Received: {path} for "
                f"{network.image_size} pixels. Convert files of one training."
            )


def write_release(components: ModelComponents, directory: str | os.PathLike) -> list[pathlib.Path]:
    """Writes text encoder, generator and image encoder in the release's format.

    The files are those that the authors' code loads, under PyTorch 0.4 as under today's, with the
    vocabulary in a `captions.pickle` whose lists of captions are empty.

    Args:
        components: `ModelComponents`; the parts that are there are written.
        directory: Where to write; created if missing. Other files in it are kept.

    Returns:
        The paths written.

    Raises:
        InputError: If the authors' code does not support a network, if there is nothing to write,
            or if a file of that name exists.
    """
    tables = {}
    if components.text_encoder is not None:
        tables["text_encoder.pth"] = release_layout.text_encoder_entries(components.text_encoder)
    if components.generator is not None:
        _check_release_can_hold(components.generator)
        tables["netG.pth"] = release_layout.generator_entries(components.generator)
    encoder = components.image_encoder
    if encoder is not None:
        kind = (encoder.backbone_name, encoder.inception_variant, encoder.input_size)
        if kind == ("inception_v3", "torchvision", 299):
            tables["image_encoder.pth"] = release_layout.image_encoder_entries(encoder)
        else:
            _logger.warning(
                "The image encoder is skipped: the release's is based on torchvision's "
                "Inception-v3 at 299 pixels, this one on %s (%s) at %d.",
                *kind,
            )
    if components.discriminators:
        _logger.warning("The discriminators are skipped: drawing does not need them.")
    if not tables:
        raise InputError(
            "Expected a model with a text encoder, a generator, or an image encoder on "
            "torchvision's Inception-v3, which the release's tools read. Received: one without."
        )
    paths = [pathlib.Path(directory) / name for name in tables]
    if components.vocabulary is not None:
        paths.append(pathlib.Path(directory) / "captions.pickle")
        check_can_be_written(components.vocabulary, paths[-1])
    _check_none_exists(paths)
    for path, entries in zip(paths, tables.values(), strict=False):
        write_pytorch_file(path, release_layout.dump(entries))
    if components.vocabulary is not None:
        write_vocabulary(paths[-1], components.vocabulary)
    return paths


def _check_none_exists(paths):
    """The release's folders have files of these names, with captions that ours do not have."""
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None:
        raise InputError(
            f"Expected a directory without {existing.name} to write to. Received: {existing}, "
            "which would be lost. Choose another --output."
        )


def _check_release_can_hold(generator):
    gates = generator.writing_gate and generator.response_gate
    for fits, expected, received in (
        (generator.base_size == 64, "a first image of 64 pixels", f"{generator.base_size}"),
        (generator.num_stages <= 3, "at most 3 stages", f"{generator.num_stages}"),
        (
            generator.refinement == "attention" or gates,
            "a memory with both of its gates",
            f"writing_gate={generator.writing_gate}, response_gate={generator.response_gate}",
        ),
        (
            generator.refinement == "attention" or generator.memory_dim == 2 * generator.channels,
            "memory slots of twice the channels",
            f"memory_dim={generator.memory_dim}, channels={generator.channels}",
        ),
    ):
        if not fits:
            raise InputError(
                f"The release's generator has {expected}. Received: {received}. This model cannot "
                "be written in the release's format; keep its model directory."
            )


def _filled(network_class, sizes, table, state):
    """A network of these sizes with the values that its table finds in the state dict."""
    stored = os.path.getsize(state.path)
    try:  # the narrowest floats have two bytes
        network = build_within(lambda: network_class(**sizes), num_values=stored // 2)
    except TooLarge as error:
        raise InputError(
            f"Expected two bytes or more a weight in {state.path} for {state.kind.phrase} of the "
            f"size of its tensors. Received: {stored} in all. It is damaged, or of "
            "another network."
        ) from error
    release_layout.load(table(network), state)
    state.check_all_used(_KNOWN_EXTRAS)
    return network


def _count(state, name, first=1):
    """How many tensors there are whose names count up from `first`."""
    numbers = range(_MOST_OF_A_KIND + 1)
    return next((n for n in numbers if name.format(first + n) not in state), _MOST_OF_A_KIND)
