"""The picture of a model's structure: its words and numbers are the model's own, and legible."""

import itertools

import keras
import numpy as np
import pytest
from tiny_training import make_encoders, values_of

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.figures import architecture as module
from dmgan_tf.figures.architecture import architecture_figure
from dmgan_tf.figures.canvas import text_width
from dmgan_tf.figures.network_parts import architecture_table, named_shape, read_architecture
from dmgan_tf.layers.memory import MemoryReading
from dmgan_tf.losses import Objective, matching_losses
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def encoders():
    return make_encoders(Vocabulary(["red", "disc"]))


def make_model(encoders, discriminators=True, image_encoder=True, **settings):
    """A model of tiny networks, none of them trained."""
    generator = Generator(
        **{"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 8, "base_size": 16}
        | {"num_stages": 3, "num_residual_blocks": 2}
        | settings
    )
    generator.build()
    judges = [Discriminator(size, channels=2, sentence_dim=8) for size in generator.image_sizes]
    for judge in judges[: len(judges) * discriminators]:
        judge.build()
    return DMGANTextToImage(
        encoders.vocabulary,
        encoders.text_encoder,
        generator,
        judges if discriminators else None,
        encoders.image_encoder if image_encoder else None,
    )


@pytest.fixture(scope="module")
def model(encoders):
    return make_model(encoders)


@pytest.fixture(scope="module")
def architecture(model):
    before = values_of(model.generator.weights)
    architecture = read_architecture(model)
    for value, kept in zip(values_of(model.generator.weights), before, strict=True):
        np.testing.assert_array_equal(value, kept)  # reading changes nothing
    return architecture


def written(monkeypatch, architecture, losses=()):
    """The figure, and each text on it with its box: `(text, left, top, right, bottom)`."""
    found = []
    write = module.Canvas.write

    def watched(self, text, left, top, size, colour="black", bold=False, align="left"):
        width = text_width(text, size, bold)
        left_edge = left - {"left": 0, "center": width / 2, "right": width}[align]
        found.extend([(text, left_edge, top, left_edge + width, top + size)] * bool(text))
        write(self, text, left, top, size, colour, bold, align)

    monkeypatch.setattr(module.Canvas, "write", watched)
    return architecture_figure(architecture, losses), found


def test_shapes_are_those_of_a_call(model, architecture):
    batch, words = 2, 6
    encoded = model.text_encoder(np.ones((batch, words), "int32"))
    outputs = model.generator(
        {
            "noise": keras.ops.zeros((batch, 5)),
            "condition_noise": keras.ops.zeros((batch, 3)),
            **encoded,
            "padding_mask": keras.ops.ones((batch, words), "bool"),
        }
    )

    def expected(tensor):
        return tuple(None if size == words else size for size in tensor.shape[1:])

    text_encoder, generator, conditioning, initial_stage, *refinements = architecture.generation
    for name, shape in text_encoder.outputs.items():
        assert shape == expected(encoded[name])
    assert generator.inputs == {
        **{"noise": (5,), "condition_noise": (3,), "padding_mask": (None,)},
        **text_encoder.outputs,
    }
    assert generator.outputs["condition_mean"] == (3,)
    assert conditioning.inputs == {"sentence_embedding": (8,), "condition_noise": (3,)}
    assert initial_stage.inputs == {"condition": (3,), "noise": (5,)}
    for i, image in enumerate(outputs["images"]):
        assert architecture.images[i].outputs[""] == expected(image)
        assert architecture.training[i].inputs["images"] == expected(image)
        assert generator.outputs[f"images[{i}]"] == expected(image)
    for i, stage in enumerate(refinements):
        assert stage.outputs["attention_scores"] == expected(outputs["attention_scores"][i])
        assert stage.outputs["response_gate"] == expected(outputs["response_gates"][i])


def test_parameters_are_counted_in_each_part_and_in_what_holds_it(architecture):
    _, generator, *parts = architecture.generation
    total = sum(part.parameters for part in (*parts, *architecture.images))
    assert generator.name == "Generator" and generator.parameters == total
    reader, *inside = architecture.refinement
    assert reader.parameters == sum(part.parameters for part in inside[:3])
    assert parts[2].parameters == sum(part.parameters for part in inside)
    rows = architecture_table(architecture)
    assert len(rows) == len({row["part"] for row in rows}) == 6 + 3 + 6 + 4
    assert {row["class"]: row["inside"] for row in rows}["InitialStage"] == (
        "Dense · BatchNorm · GLU · 2×UpsampleBlock"
    )


class SlotReader(MemoryReading):
    """Reads slots.

    And more.
    """


def test_a_renamed_class_renames_its_box(monkeypatch, encoders):
    model = make_model(encoders, discriminators=False, num_stages=2)
    layer = model.generator.refinement_stages[0].word_reader.reading
    object.__setattr__(layer, "__class__", SlotReader)
    texts = {text for text, *_ in written(monkeypatch, read_architecture(model))[1]}
    assert "MemoryReading" not in texts and {"SlotReader", "Reads slots."} <= texts


def assert_legible(figure, found):
    """Nothing that is written leaves the page or meets another."""
    for text, left, top, right, bottom in found:
        assert 0 <= left and right <= figure.width and 0 <= top and bottom <= figure.height, text
    for one, other in itertools.combinations(found, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, (one, other)


def test_a_model_is_drawn_without_a_clash_on_a_page_with_a_white_edge(monkeypatch, architecture):
    figure, found = written(
        monkeypatch, architecture, (Objective.discriminator_loss, matching_losses)
    )
    assert_legible(figure, found)
    texts = [text for text, *_ in found]
    names = {"MemoryWriting", "MemoryReading", "GatedResponse", "ImageEncoder", "in training"}
    assert names | {"noise 5", "condition_noise 3", "matching_losses"} <= set(texts)
    assert texts.count("Discriminator") == 3 and texts.count("RefinementStage") == 2
    assert texts.count("word_features words×8") == 3  # each refinement takes them, and the writing
    page = np.asarray(figure)
    for edge in (page[0], page[-1], page[:, 0], page[:, -1]):
        assert (edge == 255).all()


@pytest.mark.parametrize(
    ("settings", "names", "missing"),
    [
        ({"num_stages": 5, "channels": 2, "discriminators": False}, ["GatedResponse"], []),
        (
            {"num_stages": 1, "discriminators": False},
            ["InitialStage", "ImageEncoder"],
            ["RefinementStage", "MemoryWriting", "Discriminator"],
        ),
        (
            {"refinement": "attention", "num_residual_blocks": 0, "num_stages": 2}
            | {"discriminators": False, "image_encoder": False},
            ["WordAttention", "UpsampleBlock"],
            ["DynamicMemory", "GatedResponse", "ResidualBlock", "in training", "matching_losses"],
        ),
        (
            {"response_gate": False, "writing_gate": False, "num_residual_blocks": 1}
            | {"num_stages": 2, "discriminators": False},
            ["MemoryReading", "ResidualBlock"],
            ["GatedResponse", "2×ResidualBlock"],
        ),
    ],
)
def test_every_model_is_drawn_as_it_is(monkeypatch, encoders, settings, names, missing):
    architecture = read_architecture(make_model(encoders, **settings))
    figure, found = written(
        monkeypatch, architecture, (Objective.discriminator_loss, matching_losses)
    )
    assert_legible(figure, found)
    texts = {text for text, *_ in found}
    assert set(names) <= texts and not set(missing) & texts


def test_a_model_without_a_text_encoder_is_refused(model):
    with pytest.raises(InputError, match="--text_encoder"):
        read_architecture(DMGANTextToImage(None, None, model.generator))


def test_shapes_are_written_with_words_for_what_differs():
    assert named_shape("maps", (64, 64, None)) == "maps 64×64×words" and named_shape("", ()) == ""
