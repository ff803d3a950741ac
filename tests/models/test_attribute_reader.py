import numpy as np
import pytest

from dmgan_tf.data.sources.avatars.source import STYLES, load_style
from dmgan_tf.errors import InputError
from dmgan_tf.models.attribute_reader import (
    AttributeReader,
    Head,
    answers,
    heads_of,
    load_attribute_reader,
)

KNOWN = [
    {"style": "s", "hair": "long"},
    {"style": "s", "hair": "short", "color": "red"},
    {"style": "t", "hair": "none"},
]


def test_heads_are_the_attributes_of_each_style():
    assert heads_of(KNOWN) == [
        Head("", "style", ("s", "t")),
        Head("s", "color", ("red",)),
        Head("s", "hair", ("long", "short")),
        Head("t", "hair", ("none",)),
    ]


def test_answers_leave_out_what_is_not_asked():
    expected = [[0, -1, 0, -1], [0, 0, 1, -1], [1, -1, -1, 0]]
    assert answers(heads_of(KNOWN), KNOWN).tolist() == expected


def test_an_unknown_value_is_refused():
    with pytest.raises(InputError, match="long, short.*'curly'"):
        answers(heads_of(KNOWN), [{"style": "s", "hair": "curly"}])


def test_saved_and_loaded_it_reads_the_same(tmp_path):
    reader = AttributeReader(heads_of(KNOWN))
    reader.set_weights([w.astype("float16") for w in reader.get_weights()])
    reader.save(tmp_path / "reader.npz")
    loaded = load_attribute_reader(tmp_path / "reader.npz")
    assert loaded.heads == reader.heads
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    np.testing.assert_array_equal(loaded(images), reader(images))
    assert loaded(images).shape == (2, 6)
    assert [part.stop - part.start for part in loaded.slices] == [2, 1, 2, 1]


def test_a_damaged_file_is_told_in_a_line(tmp_path):
    (tmp_path / "reader.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="Expected an attribute reader"):
        load_attribute_reader(tmp_path / "reader.npz")


def test_the_shipped_reader_knows_every_value_that_captions_name():
    heads = {(head.style, head.attribute): head.values for head in load_attribute_reader().heads}
    for name in STYLES:
        for attribute, described in load_style(name).attributes.items():
            assert set(described.values) == set(heads[name, attribute])
