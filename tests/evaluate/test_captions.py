"""Which captions are drawn: all images alike, always the same, whatever the number asked for."""

import numpy as np
import pytest

from dmgan_tf.data.stored import CaptionList
from dmgan_tf.evaluate.captions import choose_captions, first_captions, match_captions

CAPTIONS = CaptionList(
    [["a1", "a2", "a3"], ["b1"], ["c1", "c2"], ["d1", "d2"]],
    np.array([4, 4, 7, 9]),
    ["a.png", "b.png", "c.png", "d.png"],
)


def chosen(num_images, seed=0):
    return choose_captions(CAPTIONS, num_images, seed, {}).texts(0, num_images)


def test_every_image_is_drawn_once_before_any_again():
    texts = chosen(12)
    for start in range(0, 12, 4):
        assert {text[0] for text in texts[start : start + 4]} == set("abcd")


def test_an_images_captions_take_turns():
    texts = chosen(12)
    assert {text for text in texts if text[0] == "a"} == {"a1", "a2", "a3"}
    assert [text for text in texts if text[0] == "b"] == ["b1"] * 3
    assert sorted(text for text in texts[:8] if text[0] == "c") == ["c1", "c2"]


def test_fewer_images_are_the_first_of_more():
    assert chosen(12)[:5] == chosen(5)


def test_the_seed_decides():
    assert chosen(12, seed=1) == chosen(12, seed=1) != chosen(12, seed=2)


def test_each_caption_has_the_class_of_its_image():
    plan = choose_captions(CAPTIONS, 8, 0, {})
    assert plan.captions == ["a1", "a2", "a3", "b1", "c1", "c2", "d1", "d2"]
    assert plan.class_ids.tolist() == [4, 4, 4, 4, 7, 7, 9, 9]


def test_real_images_have_their_first_caption():
    assert first_captions(CAPTIONS, {}).texts(0, 4) == ["a1", "b1", "c1", "d1"]
    assert first_captions(CAPTIONS, {}, 2).texts(0, 4) == ["a1", "b1"]


def test_saved_pictures_find_their_captions_again():
    pool = first_captions(CAPTIONS, {})
    plan = match_captions(["c2", "a1", "a1", "new"], [7, 4, 5, 4], pool, {})
    assert plan.texts(0, 4) == ["c2", "a1", "a1", "new"]
    assert plan.captions[:8] == pool.captions
    assert plan.class_ids[plan.rows].tolist() == [7, 4, 5, 4]
    assert plan.rows[:2].tolist() == [5, 0]  # and are not added twice


def test_a_caption_without_a_class_is_that_of_the_pool():
    pool = first_captions(CAPTIONS, {})
    plan = match_captions(["c2", "new", "b1", "new"], [None] * 4, pool, {})
    assert plan.captions == [*pool.captions, "new"]  # none is its own wrong answer
    assert plan.rows.tolist() == [5, 8, 3, 8]
    assert plan.class_ids[plan.rows].tolist() == [7, 10, 4, 10]


def test_equal_captions_without_a_class_are_of_one():
    plan = match_captions(["x", "y", "x", "x"], [None, None, None, 0], None, {})
    assert (plan.captions, plan.rows.tolist()) == (["x", "y", "x"], [0, 1, 0, 2])
    assert plan.class_ids.tolist() == [1, 2, 0]


def test_without_a_pool_the_captions_are_their_own():
    plan = match_captions(["x", "y", "x"], [0, 1, 0], None, {})
    assert (plan.captions, plan.rows.tolist()) == (["x", "y"], [0, 1, 0])


@pytest.mark.parametrize("change", [{"seed": 1}, {"num_images": 7}])
def test_the_hash_knows_what_is_drawn(change):
    settings = {"num_images": 8, "seed": 0}
    first = choose_captions(CAPTIONS, source={}, **settings)
    assert first.sha256() == choose_captions(CAPTIONS, source={"a": 1}, **settings).sha256()
    assert first.sha256() != choose_captions(CAPTIONS, source={}, **{**settings, **change}).sha256()
