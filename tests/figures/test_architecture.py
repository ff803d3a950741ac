"""The picture of a model's structure: its words and numbers are the model's own, and legible."""

import itertools

import keras
import numpy as np
import pytest
from tiny_training import make_encoders, values_of

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.figures import diagram
from dmgan_tf.figures.architecture import architecture_figure
from dmgan_tf.figures.canvas import text_width
from dmgan_tf.figures.network_parts import architecture_table, read_architecture, shape_text
from dmgan_tf.layers.memory import MemoryReading
from dmgan_tf.losses import Objective, matching_losses
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.text.vocabulary import Vocabulary


def make_model(discriminators=True, image_encoder=True, **settings):
    """A model of tiny networks, none of them trained."""
    encoders = make_encoders(Vocabulary(["red", "disc"]))
    generator = Generator(
        **{"channels": 4, "noise_dim": 5, "condition_dim": 3, "word_dim": 8, "base_size": 16}
        | {"num_stages": 3, "num_residual_blocks": 2}
        | settings
    )
    generator.build()
    judges = [Discriminator(size, channels=2, sentence_dim=8) for size in generator.image_sizes]
    for judge in judges:
        judge.build()
    return DMGANTextToImage(
        encoders.vocabulary,
        encoders.text_encoder,
        generator,
        judges if discriminators else None,
        encoders.image_encoder if image_encoder else None,
    )


@pytest.fixture(scope="module")
def model():
    return make_model()


def written(monkeypatch, architecture, losses=()):
    """The figure, and each text on it with its box: `(text, left, top, right, bottom)`."""
    found = []
    write = diagram.Canvas.write

    def watched(self, text, left, top, size, colour, bold, align):
        width = text_width(text, size, bold)
        left_edge = left - {"left": 0, "center": width / 2, "right": width}[align]
        found.append((text, left_edge, top, left_edge + width, top + size))
        write(self, text, left, top, size, colour, bold, align)

    monkeypatch.setattr(diagram.Canvas, "write", watched)
    return architecture_figure(architecture, losses), found


def test_shapes_are_those_of_a_call(model):
    architecture = read_architecture(model)
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

    for name, shape in architecture.text_encoder.outputs.items():
        assert shape == expected(encoded[name])
    assert [part.outputs[""] for part in architecture.to_images] == [
        expected(image) for image in outputs["images"]
    ]
    for i, stage in enumerate(architecture.stages[1:]):
        assert stage.outputs["attention_scores"] == expected(outputs["attention_scores"][i])
        assert stage.outputs["response_gate"] == expected(outputs["response_gates"][i])
    assert architecture.noise == {"condition_noise": 3, "noise": 5}


def test_parameters_are_counted_once_for_each_part(model):
    architecture = read_architecture(model)
    parts = (architecture.conditioning, *architecture.stages, *architecture.to_images)
    name, total = architecture.generator
    assert name == "Generator" and total == sum(part.parameters for part in parts)
    assert sum(part.parameters for part in architecture.refinement) == parts[2].parameters
    rows = architecture_table(architecture)
    assert len(rows) == len(architecture.parts()) == len({row["part"] for row in rows})
    assert {row["class"]: row["inside"] for row in rows}["InitialStage"] == (
        "Dense · BatchNorm · GLU · 2×UpsampleBlock"
    )


class SlotReader(MemoryReading):
    """Reads slots.

    And more.
    """


def test_a_renamed_class_renames_its_box(monkeypatch):
    model = make_model()
    _, before = written(monkeypatch, read_architecture(model))
    layer = model.generator.refinement_stages[0].word_reader.reading
    object.__setattr__(layer, "__class__", SlotReader)
    _, after = written(monkeypatch, read_architecture(model))
    assert "MemoryReading" in {text for text, *_ in before}
    texts = {text for text, *_ in after}
    assert "MemoryReading" not in texts and {"SlotReader", "Reads slots."} <= texts


@pytest.mark.parametrize(
    ("settings", "names", "missing"),
    [
        ({}, ["MemoryWriting", "MemoryReading", "GatedResponse", "DynamicMemory"], []),
        ({"num_stages": 5, "channels": 3}, ["GatedResponse"], []),
        ({"num_stages": 1}, ["InitialStage"], ["RefinementStage", "MemoryWriting"]),
        ({"refinement": "attention"}, ["WordAttention"], ["DynamicMemory", "GatedResponse"]),
        ({"response_gate": False, "writing_gate": False}, ["MemoryReading"], ["GatedResponse"]),
        ({"num_residual_blocks": 0}, ["UpsampleBlock"], ["ResidualBlock"]),
        ({"num_residual_blocks": 1}, ["ResidualBlock"], ["2×ResidualBlock"]),
        ({"discriminators": False}, ["ImageEncoder"], ["Discriminator"]),
        ({"discriminators": False, "image_encoder": False}, ["TextEncoder"], ["in training"]),
    ],
)
def test_every_model_is_drawn_as_it_is_without_a_clash(monkeypatch, settings, names, missing):
    architecture = read_architecture(make_model(**settings))
    figure, found = written(
        monkeypatch, architecture, (Objective.discriminator_loss, matching_losses)
    )
    texts = [text for text, *_ in found]
    assert set(names) <= set(texts) and not set(missing) & set(texts)
    assert ("matching_losses" in texts) == ("in training" in texts)
    for text, left, top, right, bottom in found:
        assert 0 <= left and right <= figure.width and 0 <= top and bottom <= figure.height, text
    for one, other in itertools.combinations(found, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, (one, other)


def test_the_page_is_white_at_its_edge(model):
    page = np.asarray(architecture_figure(read_architecture(model)))
    for edge in (page[0], page[-1], page[:, 0], page[:, -1]):
        assert (edge == 255).all()


def test_nothing_of_the_model_changes(model):
    before = values_of(model.generator.weights)
    read_architecture(model)
    for value, kept in zip(values_of(model.generator.weights), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_a_model_without_a_text_encoder_is_refused(model):
    with pytest.raises(InputError, match="--text_encoder"):
        read_architecture(DMGANTextToImage(None, None, model.generator))


def test_shapes_are_written_with_words_for_what_differs():
    assert shape_text((64, 64, None)) == "64×64×words" and shape_text(()) == ""
