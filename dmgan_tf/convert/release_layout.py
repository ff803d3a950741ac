"""The place of each of our weights in the release's state dicts, in both directions.

One table per network, used for reading published weights and for writing ours for the old tools.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np

from dmgan_tf.convert.state_dict import StateDict
from dmgan_tf.layers.word_embedding import LearnedEmbedding


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of our weights, and the tensors of the release that it consists of.

    Args:
        variable: Our Keras variable.
        names: The release's names; their tensors are added up (an LSTM of PyTorch has two biases).
        to_release: Converts our array to the release's layout.
        from_release: Converts an array of that layout to ours.
    """

    variable: object
    names: tuple[str, ...]
    to_release: Callable[[np.ndarray], np.ndarray]
    from_release: Callable[[np.ndarray], np.ndarray]

    @property
    def release_shape(self) -> tuple[int, ...]:
        """The shape of each of the release's tensors."""
        # A view of one element: of the right shape, and (except where rows are permuted) no memory.
        ours = np.broadcast_to(np.float32(0), tuple(self.variable.shape))
        return self.to_release(ours).shape


def load(entries: Iterable[Entry], state: StateDict) -> None:
    """Assigns the values of a `StateDict` to our variables.

    Raises:
        InputError: If a tensor is missing or of another shape; nothing is changed then.
    """
    entries = list(entries)
    state.check_shapes({name: entry.release_shape for entry in entries for name in entry.names})
    for entry in entries:
        value = sum(state.read(name) for name in entry.names)
        entry.variable.assign(entry.from_release(value))


def dump(entries: Iterable[Entry]) -> dict[str, np.ndarray]:
    """Makes the release's state dict; where it adds tensors up, all but the first are zero."""
    tensors = {}
    for entry in entries:
        value = np.ascontiguousarray(entry.to_release(keras.ops.convert_to_numpy(entry.variable)))
        first, *others = entry.names
        tensors[first] = value
        tensors.update((name, np.zeros_like(value)) for name in others)
    return tensors


def text_encoder_entries(encoder: keras.Model) -> Iterator[Entry]:
    """Yields the table of a `TextEncoder`: `RNN_ENCODER` of the release."""
    embedding = encoder.embedding
    if isinstance(embedding, LearnedEmbedding):
        yield as_is(embedding.embeddings, "encoder.weight")
    else:  # the release has one vector a word, whatever it comes from
        token_ids = keras.ops.arange(encoder.vocabulary_size)[None]
        yield as_is(embedding(token_ids)[0], "encoder.weight")
    for layer, ending in (
        (encoder.recurrence.forward_layer, "l0"),
        (encoder.recurrence.backward_layer, "l0_reverse"),
    ):
        yield _matrix(layer.cell.kernel, f"rnn.weight_ih_{ending}")
        yield _matrix(layer.cell.recurrent_kernel, f"rnn.weight_hh_{ending}")
        yield as_is(layer.cell.bias, f"rnn.bias_ih_{ending}", f"rnn.bias_hh_{ending}")


def generator_entries(generator: keras.Model) -> Iterator[Entry]:
    """Yields the table of a `Generator`: `G_NET` of the release.

    The baseline of Table 3 reads words as in AttnGAN, with AttnGAN's names.
    """
    yield from _dense(generator.conditioning.dense, "ca_net.fc")
    yield from _initial_stage_entries(generator.initial_stage)
    for number, stage in enumerate(generator.refinement_stages, start=2):
        name = f"h_net{number}"
        yield from _word_reader_entries(stage.word_reader, generator.refinement, name)
        for i, block in enumerate(stage.residual_blocks):
            inside = f"{name}.residual.{i}.block"
            yield _convolution(block.first_convolution.kernel, f"{inside}.0")
            yield from normalization_entries(block.first_normalization, f"{inside}.1")
            yield _convolution(block.second_convolution.kernel, f"{inside}.3")
            yield from normalization_entries(block.second_normalization, f"{inside}.4")
        yield from _upsample_entries(stage.upsample_block, f"{name}.upsample")
    for number, to_image in enumerate(generator.to_images, start=1):
        yield _convolution(to_image.kernel, f"img_net{number}.img.0")


def _initial_stage_entries(stage):
    # The release's dense layer counts channels, then pixels; ours pixels, then channels. The two
    # halves of the gated linear unit stay where they are.
    pixels_last = np.arange(16 * stage.first_channels).reshape(stage.first_channels, 16).T.ravel()
    order = np.concatenate([pixels_last, 16 * stage.first_channels + pixels_last])
    inverse = np.argsort(order)
    yield Entry(
        stage.dense.kernel,
        ("h_net1.fc.0.weight",),
        lambda ours: ours.T[inverse],
        lambda theirs: theirs[order].T,
    )
    for entry in normalization_entries(stage.normalization, "h_net1.fc.1"):
        yield dataclasses.replace(
            entry,
            to_release=lambda ours: ours[inverse],
            from_release=lambda theirs: theirs[order],
        )
    for number, block in enumerate(stage.upsample_blocks, start=1):
        yield from _upsample_entries(block, f"h_net1.upsample{number}")


def _word_reader_entries(reader, refinement, name):
    if refinement == "attention":
        yield _matrix(reader.word_projection.kernel, f"{name}.att.conv_context.weight", axes=4)
        return
    writing, reading = reader.writing, reader.reading
    yield _matrix(writing.word_gate.kernel, f"{name}.A.weight")
    yield _matrix(writing.image_gate.kernel, f"{name}.B.weight")
    yield from _dense(writing.word_projection, f"{name}.M_w.0", axes=3)
    yield from _dense(writing.image_projection, f"{name}.M_r.0", axes=3)
    yield from _dense(reading.key_projection, f"{name}.key.0", axes=3)
    yield from _dense(reading.value_projection, f"{name}.value.0", axes=3)
    yield from _dense(reader.response.gate, f"{name}.response_gate.0", axes=4)


def _upsample_entries(block, name):
    yield _convolution(block.convolution.kernel, f"{name}.1")
    yield from normalization_entries(block.normalization, f"{name}.2")


def discriminator_entries(discriminator: keras.Model) -> Iterator[Entry]:
    """Yields the table of a `Discriminator`: `D_NET64`, `D_NET128` or `D_NET256` of the release.

    The release stores the right singular vector (`weight_v`) too; it follows from the left one.
    """
    names = image_block_names(discriminator.image_size)
    blocks = zip(
        [*discriminator.image_blocks, discriminator.joint_block],
        [*names, "COND_DNET.jointConv.0.module"],
        strict=True,
    )
    for block, name in blocks:
        yield _convolution(block.convolution.kernel, name, "weight_bar")
        yield as_is(block.convolution.bias, f"{name}.bias")
        yield as_is(block.convolution.singular_vector, f"{name}.weight_u")
    for head, name in (
        (discriminator.conditional_head, "COND_DNET.outlogits.0"),
        (discriminator.unconditional_head, "UNCOND_DNET.outlogits.0"),
    ):
        yield _convolution(head.kernel, name)
        yield as_is(head.bias, f"{name}.bias")


def image_block_names(image_size: int) -> list[str]:
    """Returns the release's names of a discriminator's blocks, in forward order.

    Four blocks reduce 64 pixels to 4; each doubling of the size adds one that halves it again, and
    one of stride 1 that halves the channels.
    """
    names = [f"img_code_s16.{i}.module" for i in (0, 2, 4, 6)]
    scale = 16
    while 4 * scale < image_size:
        scale *= 2
        names.append(f"img_code_s{scale}.0.module")
    narrowing = scale.bit_length() - 5
    return names + [f"img_code_s{scale}_{i}.0.module" for i in range(1, narrowing + 1)]


def image_encoder_entries(encoder: keras.Model) -> Iterator[Entry]:
    """Yields the table of an `ImageEncoder` on Inception-v3: `CNN_ENCODER` of the release."""
    yield from inception_entries(encoder.backbone)
    yield _convolution(encoder.region_projection.kernel, "emb_features")
    yield from _dense(encoder.code_projection, "emb_cnn_code")


def inception_entries(inception: keras.Model) -> Iterator[Entry]:
    """Yields the table of an `InceptionV3`, by the names of all PyTorch ports."""
    for name, unit in inception.convolution_units():
        yield _convolution(unit.conv.kernel, f"{name}.conv")
        yield from normalization_entries(unit.bn, f"{name}.bn")
    if inception.num_classes:
        yield from _dense(inception.fc, "fc")


def normalization_entries(layer: keras.Layer, name: str) -> Iterator[Entry]:
    """Yields the table of one batch normalisation."""
    for variable, ending in (
        (layer.gamma, "weight"),
        (layer.beta, "bias"),
        (layer.moving_mean, "running_mean"),
        (layer.moving_variance, "running_var"),
    ):
        yield as_is(variable, f"{name}.{ending}")


def as_is(variable: keras.Variable, *names: str) -> Entry:
    """Makes the entry of a weight with the same layout in both."""
    return Entry(variable, names, lambda ours: ours, lambda theirs: theirs)


def permuted(kernel: keras.Variable, name: str, axes: tuple[int, ...]) -> Entry:
    """Makes the entry of a weight whose axes here are the axes `axes` there."""
    back = np.argsort(axes)
    return Entry(
        kernel, (name,), lambda ours: ours.transpose(back), lambda theirs: theirs.transpose(axes)
    )


def _convolution(kernel, name, ending="weight"):
    """(height, width, in, out) here, (out, in, height, width) there."""
    return permuted(kernel, f"{name}.{ending}", (2, 3, 1, 0))


def _matrix(kernel, name, axes=2):
    """(in, out) here, (out, in, 1, ...) there: a 1x1 convolution has `axes` 3 or 4."""
    ones = (1,) * (axes - 2)
    return Entry(
        kernel,
        (name,),
        lambda ours: ours.T.reshape(*ours.shape[::-1], *ones),
        lambda theirs: theirs.reshape(theirs.shape[:2]).T,
    )


def _dense(layer, name, axes=2):
    yield _matrix(layer.kernel, f"{name}.weight", axes)
    if layer.use_bias:
        yield as_is(layer.bias, f"{name}.bias")
