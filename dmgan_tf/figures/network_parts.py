"""What a model is made of, read off the model itself: classes, shapes, parameters, what they do."""

import dataclasses
import inspect
import itertools
import math

import keras

from dmgan_tf.errors import InputError

_SET = {"training", "half"}  # what a call may be given that is no tensor of its own


@dataclasses.dataclass(frozen=True)
class Part:
    """One network or layer of a model.

    Attributes:
        path: Where it stands in the model, such as `generator.initial_stage`.
        name: Its class.
        summary: The first sentence of its class's docstring.
        takes: The names of the tensors that it is called with.
        inside: The classes of the layers right inside it, `"4×UpsampleBlock"` for four in a row,
            `"InceptionV3 (frozen)"` for one that does not train.
        outputs: The shape of each tensor that it returns, without the batch dimension, by its name;
            `None` stands for the number of words. A tensor that is returned alone has the name "".
        parameters: How many numbers it trains.
    """

    path: str
    name: str
    summary: str
    takes: tuple[str, ...]
    inside: tuple[str, ...]
    outputs: dict[str, tuple[int | None, ...]]
    parameters: int


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The parts of a model, in the order in which a caption meets them.

    Attributes:
        model_name: The class of the model.
        generator: The class of the generator and how many numbers it trains.
        text_encoder: Turns the caption into features.
        conditioning: Turns the sentence into a condition.
        stages: One a stage, smallest first; what each returns becomes an image.
        to_images: One a stage, the layer that makes the image.
        refinement: What happens inside the first refinement, in order: the layers that read the
            words, the residual blocks, the upsampling. Empty if the model has one stage.
        word_reader: The layer that holds the first `num_reading` of them; None likewise.
        num_reading: How many of `refinement` stand inside `word_reader`.
        discriminators: One an image, if the model keeps them.
        image_encoder: The DAMSM's, if the model keeps it.
        noise: The sizes of the noises by the names of the inputs.
    """

    model_name: str
    generator: tuple[str, int]
    text_encoder: Part
    conditioning: Part
    stages: list[Part]
    to_images: list[Part]
    refinement: list[Part]
    word_reader: Part | None
    num_reading: int
    discriminators: list[Part]
    image_encoder: Part | None
    noise: dict[str, int]

    def parts(self) -> list[Part]:
        """All parts, those inside a refinement after it."""
        found = [self.text_encoder, self.conditioning]
        inside = list(self.refinement)
        if self.word_reader and inside[0].path != self.word_reader.path:
            inside.insert(0, self.word_reader)
        for i, stage in enumerate(self.stages):
            found += [stage, *(inside if i == 1 else []), self.to_images[i]]
        return [*found, *self.discriminators, *([self.image_encoder] * bool(self.image_encoder))]


def read_architecture(model) -> Architecture:
    """Reads a model's parts, without computing or changing anything.

    The shapes are those that the layers' own `call` gives for symbolic inputs.

    Args:
        model: A `DMGANTextToImage`.

    Returns:
        An `Architecture`.

    Raises:
        InputError: If the model has no text encoder.
    """
    if model.text_encoder is None:
        raise InputError(
            "Expected a model with a text encoder, where its architecture begins. Received: one "
            "without. Convert its weights again, with --text_encoder=FILE."
        )
    generator = model.generator
    words, text_encoder = _applied("text_encoder", model.text_encoder, _tensor(None, dtype="int32"))
    sentence, mask = words["sentence_embedding"], _tensor(None, dtype="bool")
    condition, conditioning = _applied(
        "generator.conditioning",
        generator.conditioning,
        sentence,
        _tensor(generator.condition_dim),
    )
    inputs = (words["word_features"], mask)
    stages, features = _stages(generator, condition["condition"], inputs)
    to_images = [
        _applied(f"generator.to_images[{i}]", layer, features[i])
        for i, layer in enumerate(generator.to_images)
    ]
    images = [image for image, _ in to_images]
    reading, drawing, word_reader = [], [], None
    if generator.refinement_stages:
        stage, path = generator.refinement_stages[0], "generator.refinement_stages[0]"
        arguments = (f"{path}.word_reader", stage.word_reader, features[0], *inputs)
        _, word_reader = _applied(*arguments)
        reading, drawing = _reading(*arguments), _drawing(path, stage, features[0])
    image_encoder = model.image_encoder
    return Architecture(
        model_name=type(model).__name__,
        generator=(type(generator).__name__, _num_parameters(generator)),
        text_encoder=text_encoder,
        conditioning=conditioning,
        stages=stages,
        to_images=[part for _, part in to_images],
        refinement=[*reading, *drawing],
        word_reader=word_reader,
        num_reading=len(reading),
        discriminators=[
            _applied(f"discriminators[{i}]", discriminator, image, sentence)[1]
            for i, (discriminator, image) in enumerate(
                zip(model.discriminators, images, strict=False)
            )
        ],
        image_encoder=image_encoder and _applied("image_encoder", image_encoder, images[-1])[1],
        noise={"condition_noise": generator.condition_dim, "noise": generator.noise_dim},
    )


def architecture_table(architecture: Architecture) -> list[dict]:
    """The parts of a model as rows.

    Args:
        architecture: What `read_architecture` returned.

    Returns:
        One dict a part: `part`, its place in the model; `class`; `parameters` that it trains;
        `inputs`, their names; `outputs`, their names and shapes without the batch dimension;
        `inside`, the classes of its layers; `summary`, what it does. What stands inside a
        refinement is counted there and in the refinement.
    """
    return [
        {
            "part": part.path,
            "class": part.name,
            "parameters": part.parameters,
            "inputs": "; ".join(part.takes),
            "outputs": "; ".join(
                f"{name} {shape_text(shape)}".strip() for name, shape in part.outputs.items()
            ),
            "inside": " · ".join(part.inside),
            "summary": part.summary,
        }
        for part in architecture.parts()
    ]


def shape_text(shape) -> str:
    """`64×64×words` for `(64, 64, None)`."""
    return "×".join("words" if size is None else str(size) for size in shape)


def _stages(generator, condition, words):
    """The stages as parts, and the image features that each returns."""
    noise = _tensor(generator.noise_dim)
    arguments = ("generator.initial_stage", generator.initial_stage, condition, noise)
    features, initial_stage = _applied(*arguments)
    stages, maps = [initial_stage], [features]
    for i, stage in enumerate(generator.refinement_stages):
        path = f"generator.refinement_stages[{i}]"
        outputs, part = _applied(path, stage, maps[-1], *words)
        stages.append(part)
        maps.append(outputs["features"])
    return stages, maps


def _reading(path, word_reader, features, words, mask):
    """The parts that read the words: those of the dynamic memory, or word attention alone."""
    if not hasattr(word_reader, "writing"):
        return [_applied(path, word_reader, features, words, mask)[1]]
    written, writing = _applied(f"{path}.writing", word_reader.writing, words, features)
    read, reading = _applied(
        f"{path}.reading", word_reader.reading, features, written["memory"], mask
    )
    parts = [writing, reading]
    if word_reader.response_gate:
        arguments = (word_reader.response, features, read["reading"])
        parts.append(_applied(f"{path}.response", *arguments)[1])
    return parts


def _drawing(path, stage, features):
    """The residual blocks as one part, and the upsampling, on the features twice as deep."""
    *size, channels = features.shape[1:]
    doubled = _tensor(*size, 2 * channels)
    parts = []
    if stage.residual_blocks:
        first = _applied(f"{path}.residual_blocks", stage.residual_blocks[0], doubled)[1]
        count = len(stage.residual_blocks)
        name = f"{count}×{first.name}" if count > 1 else first.name
        parts.append(dataclasses.replace(first, name=name, parameters=count * first.parameters))
    parts.append(_applied(f"{path}.upsample_block", stage.upsample_block, doubled)[1])
    return parts


def _tensor(*shape, dtype="float32"):
    return keras.KerasTensor((None, *shape), dtype)


def _applied(path, layer, *inputs):
    """What a layer returns for symbolic inputs, and the `Part` that it is."""
    outputs = layer.compute_output_spec(*inputs)
    named = outputs if isinstance(outputs, dict) else {"": outputs}
    documentation = inspect.getdoc(type(layer)) or ""
    return outputs, Part(
        path=path,
        name=type(layer).__name__,
        summary=documentation.partition("\n\n")[0].replace("\n", " "),
        takes=tuple(name for name in inspect.signature(layer.call).parameters if name not in _SET),
        inside=_inside(layer),
        outputs={name: tuple(tensor.shape[1:]) for name, tensor in named.items()},
        parameters=_num_parameters(layer),
    )


def _num_parameters(layer):
    return sum(math.prod(weight.shape) for weight in layer.trainable_weights)


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
