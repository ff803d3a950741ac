"""The parts of a model, read from the model itself: classes, shapes, parameters, summaries."""

import dataclasses
import inspect
import itertools
import math
from typing import Any

import keras

from dmgan_tf.errors import InputError

_SET = {"training", "half"}  # arguments of a call that are not tensors


@dataclasses.dataclass(frozen=True)
class Part:
    """One network or layer of a model.

    Attributes:
        path: Its path in the model, such as `generator.initial_stage`.
        name: Its class.
        summary: The first sentence of its class's docstring.
        inputs: The shape of each input tensor, by its name. Shapes are without the batch, and
            `None` is the number of words.
        inside: The classes of the layers right inside it, `"4×UpsampleBlock"` for four in a row,
            `"InceptionV3 (frozen)"` for one that does not train.
        outputs: The shape of each tensor that it returns; one that is returned alone has no name.
        parameters: Its number of trainable parameters.
    """

    path: str
    name: str
    summary: str
    inputs: dict[str, tuple[int | None, ...]]
    inside: tuple[str, ...]
    outputs: dict[str, tuple[int | None, ...]]
    parameters: int


@dataclasses.dataclass
class Architecture:
    """The parts of a model, in forward order.

    Attributes:
        model_name: The class of the model.
        generation: The text encoder, the generator, and its conditioning and stages.
        images: The layer of each stage that makes its image.
        refinement: The parts of the first refinement: the reader of words, its layers if it is the
            memory, the residual blocks, the upsampling. Empty if the model has one stage.
        training: The discriminators and the image encoder, if the model has them.
    """

    model_name: str
    generation: list[Part] = dataclasses.field(default_factory=list)
    images: list[Part] = dataclasses.field(default_factory=list)
    refinement: list[Part] = dataclasses.field(default_factory=list)
    training: list[Part] = dataclasses.field(default_factory=list)


def read_architecture(model: Any) -> Architecture:
    """Reads a model's parts, without computing or changing anything.

    The shapes are those of the layers' `call` for symbolic inputs.

    Args:
        model: A `DMGANTextToImage`.

    Raises:
        InputError: If the model has no text encoder.
    """
    if model.text_encoder is None:
        raise InputError(
            "Expected a model with a text encoder, where its architecture begins. Received: one "
            "without. Convert its weights again, with --text_encoder=FILE."
        )
    generator, found = model.generator, Architecture(type(model).__name__)
    parts, mask = found.generation, _tensor(None, dtype="bool")
    noise = _tensor(generator.noise_dim)
    condition_noise = _tensor(generator.condition_dim, name="condition_noise")
    encoded = _read(parts, "text_encoder", model.text_encoder, _tensor(None, dtype="int32"))
    words, sentence = encoded["word_features"], encoded["sentence_embedding"]
    inputs = {"noise": noise, "condition_noise": condition_noise, **encoded, "padding_mask": mask}
    _read(parts, "generator", generator, inputs)
    arguments = (generator.conditioning, sentence, condition_noise)
    condition = _read(parts, "generator.conditioning", *arguments)["condition"]
    arguments = (generator.initial_stage, condition, noise)
    features = _read(parts, "generator.initial_stage", *arguments)
    images = []
    for i, to_image in enumerate(generator.to_images):
        if i:
            path = f"generator.refinement_stages[{i - 1}]"
            stage = generator.refinement_stages[i - 1]
            if i == 1:
                _read_refinement(found.refinement, path, stage, features, words, mask)
            features = _read(parts, path, stage, features, words, mask)["features"]
        images.append(_read(found.images, f"generator.to_images[{i}]", to_image, features))
    for i, (judge, image) in enumerate(zip(model.discriminators, images, strict=False)):
        _read(found.training, f"discriminators[{i}]", judge, image, sentence)
    if model.image_encoder:
        _read(found.training, "image_encoder", model.image_encoder, images[-1])
    return found


def _read_refinement(parts, path, stage, features, words, mask):
    """Reads the parts of a refinement."""
    reader, reader_path = stage.word_reader, f"{path}.word_reader"
    doubled = _read(parts, reader_path, reader, features, words, mask)["features"]
    if stage.refinement == "memory":
        memory = _read(parts, f"{reader_path}.writing", reader.writing, words, features)["memory"]
        read = _read(parts, f"{reader_path}.reading", reader.reading, features, memory, mask)
        if stage.response_gate:
            arguments = (reader.response, features, read["reading"])
            _read(parts, f"{reader_path}.response", *arguments)
    count = len(stage.residual_blocks)
    if count:
        _read(parts, f"{path}.residual_blocks", stage.residual_blocks[0], doubled)
        name = f"{count}×{parts[-1].name}" if count > 1 else parts[-1].name
        total = count * parts[-1].parameters
        parts[-1] = dataclasses.replace(parts[-1], name=name, parameters=total)
    _read(parts, f"{path}.upsample_block", stage.upsample_block, doubled)


def architecture_table(architecture: Architecture) -> list[dict]:
    """Returns the parts of a model as rows.

    Returns:
        One dict per part: `part`, its path in the model; `class`; trainable `parameters`; `inputs`
        and `outputs`, their names and shapes without the batch; `inside`, the classes of its
        layers; `summary`, what it does. Parts inside another part are counted in both.
    """
    return [
        {
            "part": part.path,
            "class": part.name,
            "parameters": part.parameters,
            "inputs": "; ".join(named_shape(*item) for item in part.inputs.items()),
            "outputs": "; ".join(named_shape(*item) for item in part.outputs.items()),
            "inside": " · ".join(part.inside),
            "summary": part.summary,
        }
        for parts in vars(architecture).values()
        if isinstance(parts, list)
        for part in parts
    ]


def named_shape(name: str, shape: tuple[int | None, ...]) -> str:
    """Returns `scores 64×64×words` for `("scores", (64, 64, None))`."""
    sizes = "×".join("words" if size is None else str(size) for size in shape)
    return f"{name} {sizes}".strip()


def _tensor(*shape, dtype="float32", name=None):
    return keras.KerasTensor((None, *shape), dtype, name=name)


def _read(parts, path, layer, *inputs):
    """Appends a layer to `parts`, and returns its output for symbolic inputs."""
    outputs = layer.compute_output_spec(*inputs)
    documentation = inspect.getdoc(type(layer)) or ""
    names = [name for name in inspect.signature(layer.call).parameters if name not in _SET]
    part = Part(
        path=path,
        name=type(layer).__name__,
        summary=documentation.partition("\n\n")[0].replace("\n", " "),
        inputs=_shapes({_name(*pair): pair[1] for pair in zip(names, inputs, strict=False)}),
        inside=_inside(layer),
        outputs=_shapes(outputs if isinstance(outputs, dict) else {"": outputs}),
        parameters=sum(math.prod(weight.shape) for weight in layer.trainable_weights),
    )
    parts.append(part)
    return outputs


def _name(argument, tensor):
    """The name that a tensor was given, or that of the argument: one noise is not the other."""
    name = getattr(tensor, "name", "")
    return name if name and not name.startswith("keras_tensor") else argument


def _shapes(tensors):
    """The shapes of named tensors; a dict or a list of tensors gives one for each of its own."""
    shapes = {}
    for name, value in tensors.items():
        if isinstance(value, dict):
            shapes |= _shapes(value)
        elif isinstance(value, list):
            shapes |= _shapes({f"{name}[{i}]": item for i, item in enumerate(value)})
        else:
            shapes[name] = tuple(value.shape[1:])
    return shapes


def _inside(layer):
    """The classes of the layers that a layer has as attributes, equal ones in a row counted."""
    names = []
    for attribute, value in vars(layer).items():
        values = value if isinstance(value, list | tuple) else [value]
        layers = [item for item in values if isinstance(item, keras.Layer)]
        if not attribute.startswith("_"):  # Keras keeps lists of its own
            names += [type(i).__name__ + ("" if i.trainable else " (frozen)") for i in layers]
    groups = [(name, len(list(group))) for name, group in itertools.groupby(names)]
    return tuple(f"{count}×{name}" if count > 1 else name for name, count in groups)
