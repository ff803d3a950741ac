import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.metrics.r_precision import CaptionRetrieval, r_precision, retrieval_accuracy


class RecordedCandidates(CaptionRetrieval):
    """Gives the captions that images meet, in place of whether they find their own."""

    def candidates(self, caption_rows, first_row=0):
        return self._draw(np.asarray(caption_rows), first_row)[0]


def gaussian(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def test_hits_by_hand():
    sentences = np.array([[1, 0], [0, 1], [1, 1]])
    retrieval = CaptionRetrieval(sentences, [0, 1, 2])
    # Cosines with the three: (1, 0, .7), (.6, .8, .99), (.1, 1, .78), (-1, 0, -.7).
    images = [[5, 0], [3, 4], [0.1, 1], [-1, 0]]
    assert retrieval.hits(images, [0, 0, 1, 0], 0).tolist() == [True, False, True, False]
    assert retrieval.hits(images, [2, 2, 2, 1], 0).tolist() == [False, True, False, True]
    assert retrieval.chance == pytest.approx(1 / 3)


def test_the_length_of_a_code_does_not_matter():
    images, sentences = gaussian(0, 200, 8), gaussian(1, 200, 8)
    lengths = np.random.default_rng(2).choice([0.25, 1.0, 4.0], (2, 200, 1))
    hits = CaptionRetrieval(sentences, np.arange(200), 5).hits(images, np.arange(200), 0)
    scaled = CaptionRetrieval(sentences * lengths[0], np.arange(200), 5)
    np.testing.assert_array_equal(scaled.hits(images * lengths[1], np.arange(200), 0), hits)
    assert 0 < hits.mean() < 1


def test_captions_of_the_same_class_are_no_candidates():
    # Each image is nearest to the other caption of its class.
    sentences = np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1]])
    images = sentences[[1, 0, 3, 2]]
    assert CaptionRetrieval(sentences, [7, 7, 2, 2]).hits(images, np.arange(4), 0).all()
    assert not CaptionRetrieval(sentences, [0, 1, 2, 3]).hits(images, np.arange(4), 0).any()


@pytest.mark.parametrize("num_classes", [3, 40, 1000])
def test_candidates_are_different_captions_of_other_classes(num_classes):
    class_ids = np.random.default_rng(0).integers(0, num_classes, 1000)
    own = np.arange(1000)
    drawn = RecordedCandidates(gaussian(1, 1000, 2), class_ids, 100).candidates(own)
    assert drawn.shape == (1000, 99) and drawn.min() >= 0
    assert all(len(np.unique(row)) == 99 for row in drawn)
    assert not np.any(class_ids[drawn] == class_ids[own, None])


def test_every_caption_of_another_class_is_as_likely():
    class_ids = np.array([3, 1, 3, 2, 1, 2, 2, 0])
    retrieval = RecordedCandidates(gaussian(1, 8, 2), class_ids, num_candidates=4)
    drawn = retrieval.candidates(np.full(20_000, 1))
    counts = np.bincount(drawn.ravel(), minlength=8)
    assert counts[[1, 4]].tolist() == [0, 0]
    # Each of six is among three with probability 1/2; five deviations are 354.
    np.testing.assert_allclose(np.delete(counts, [1, 4]), 10_000, atol=354)
    # Any two of six are among three with probability 1/5.
    pairs = np.sum(np.any(drawn == 0, axis=1) & np.any(drawn == 7, axis=1))
    assert pairs == pytest.approx(4_000, abs=5 * 57)


def test_an_image_meets_all_there_are_where_they_are_fewer():
    class_ids = [0, 0, 0, 1, 1]
    retrieval = RecordedCandidates(np.ones((5, 2)), class_ids, 4)
    few, enough = retrieval.candidates([0, 3])
    assert sorted(few) == [-1, 3, 4] and sorted(enough) == [0, 1, 2]
    assert retrieval.chance == pytest.approx((3 * 1 / 3 + 2 * 1 / 4) / 5)
    hits = retrieval.hits(np.ones((20_000, 2)), np.zeros(20_000, int), 0)
    assert hits.mean() == pytest.approx(1 / 3, abs=0.017)  # five deviations


def test_random_codes_score_chance():
    images, sentences = gaussian(0, 20_000, 16), gaussian(1, 5_000, 16)
    retrieval = CaptionRetrieval(sentences, np.arange(5_000) // 10)
    hits = retrieval.hits(images, np.arange(20_000) % 5_000, 0)
    assert retrieval.chance == pytest.approx(0.01)
    assert hits.mean() == pytest.approx(0.01, abs=0.0035)  # five deviations


def test_perfect_codes_are_always_found():
    codes = gaussian(0, 3_000, 32)
    hits = CaptionRetrieval(codes, np.arange(3_000)).hits(codes, np.arange(3_000), 0)
    assert hits.dtype == bool and hits.all()


@pytest.mark.parametrize("constant", ["images", "sentences", "both", "zeros"])
def test_constant_codes_are_guesses(constant):
    images, sentences = gaussian(0, 20_000, 9), gaussian(1, 20_000, 9)
    if constant in ("images", "both"):
        images[:] = images[0]
    if constant in ("sentences", "both"):
        sentences[:] = sentences[0]
    if constant == "zeros":
        images[:] = 0
    hits = CaptionRetrieval(sentences, np.arange(20_000)).hits(images, np.arange(20_000), 0)
    assert hits.mean() == pytest.approx(0.01, abs=0.0035)  # five deviations


def test_a_twin_of_the_caption_halves_the_hits():
    """Captions of the same words under two images cannot be told apart."""
    codes = gaussian(0, 100, 33)
    twins = np.concatenate([codes, codes])
    images = np.tile(codes, (50, 1))
    retrieval = CaptionRetrieval(twins, np.arange(200), num_candidates=200)
    hits = retrieval.hits(images, np.arange(5_000) % 100, 0)
    assert hits.mean() == pytest.approx(0.5, abs=0.036)  # five deviations


@pytest.mark.parametrize("cut", [1, 7, 128, 333])
def test_any_cut_into_batches_gives_the_same_hits(cut):
    images, sentences = gaussian(0, 700, 8), gaussian(1, 300, 8)
    images += sentences[np.arange(700) % 300]
    sentences[:30] = sentences[0]  # with ties
    rows = np.arange(700) % 300
    retrieval = CaptionRetrieval(sentences, np.arange(300) // 3, num_candidates=50, seed=5)
    whole = retrieval.hits(images, rows, 40)
    again = CaptionRetrieval(sentences, np.arange(300) // 3, num_candidates=50, seed=5)
    parts = {
        start: again.hits(images[start : start + cut], rows[start : start + cut], 40 + start)
        for start in reversed(range(0, 700, cut))
    }
    np.testing.assert_array_equal(np.concatenate([parts[start] for start in sorted(parts)]), whole)
    assert 0.1 < whole.mean() < 0.9


def test_the_draw_depends_on_seed_and_row():
    retrieval = RecordedCandidates(gaussian(0, 500, 2), np.arange(500), 10, seed=1)
    same = np.full(3, 250)
    rows = retrieval.candidates(same)
    assert not np.array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(retrieval.candidates(same, first_row=1)[:2], rows[1:])
    other = RecordedCandidates(gaussian(0, 500, 2), np.arange(500), 10, seed=2)
    assert not np.array_equal(other.candidates(same), rows)


def test_the_draw_is_the_same_tomorrow():
    """A score published from here is of this draw."""
    retrieval = RecordedCandidates(np.ones((1000, 2)), np.arange(1000) // 10, 6, seed=0)
    assert retrieval.candidates([5, 500, 999], first_row=29_997).tolist() == [
        [27, 700, 589, 14, 606],
        [776, 195, 510, 125, 527],
        [743, 411, 357, 525, 923],
    ]


def test_folds_by_hand():
    hits = [True, True, False, False, True, False, True]
    # Folds of 2, 2 and 3: shares 1, 0 and 2/3.
    mean, deviation = r_precision(hits, num_folds=3)
    assert mean == pytest.approx(5 / 9)
    assert deviation == pytest.approx(np.std([1, 0, 2 / 3]))
    assert r_precision(hits, num_folds=1) == (pytest.approx(4 / 7), 0)
    assert r_precision(np.ones(20, bool)) == (1, 0)


def test_shuffled_folds_lose_the_order_of_the_classes():
    hits = np.arange(10_000) < 5_000
    assert r_precision(hits) == (0.5, 0.5)
    mean, deviation = r_precision(hits, seed=0)
    assert mean == pytest.approx(0.5) and 0 < deviation < 0.05
    assert r_precision(hits, seed=0) == (mean, deviation)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class_ids": [4, 4, 4]}, "two classes or more"),
        ({"class_ids": [1, 2]}, "a class for each of 3 captions"),
        ({"num_candidates": 1}, "2 candidates or more"),
        ({"sentence_codes": np.full((3, 2), np.nan)}, "not finite"),
        ({"sentence_codes": np.ones(3)}, "shape (3,)"),
        ({"sentence_codes": np.ones((0, 3)), "class_ids": []}, "0 captions"),
    ],
)
def test_captions_that_cannot_be_used(change, words):
    arguments = {"sentence_codes": np.eye(3), "class_ids": [0, 1, 2], **change}
    with pytest.raises(InputError) as caught:
        CaptionRetrieval(**arguments)
    assert words in str(caught.value) and "Received: " in str(caught.value)


@pytest.mark.parametrize(
    ("codes", "rows", "words"),
    [
        (np.ones((2, 4)), [0, 1], "of 3 numbers"),
        (np.ones((2, 3)), [0], "Expected 1 image codes"),
        (np.ones((2, 3)), [0, 3], "from 0 to 2"),
        (np.ones((1, 3)), [-1], "from 0 to 2"),
        (np.full((1, 3), np.inf), [0], "not finite"),
    ],
)
def test_images_that_cannot_be_used(codes, rows, words):
    with pytest.raises(InputError) as caught:
        CaptionRetrieval(np.eye(3), [0, 1, 2]).hits(codes, rows, 0)
    assert words in str(caught.value)


def test_more_folds_than_images_are_an_error():
    with pytest.raises(InputError, match="9 images in 10 folds"):
        r_precision(np.ones(9, bool))


def test_retrieval_accuracy_is_of_the_draw_it_was_published_with():
    """Figures by the program that measured them, from these codes."""
    sentences = gaussian(0, 300, 16)
    images = gaussian(1, 300, 16) + sentences
    sentences[:20] = sentences[0]  # twins share a hit
    classes = np.arange(300) // 4
    assert retrieval_accuracy(images, sentences, classes, seed=3) == (
        pytest.approx(0.758888888888889),
        pytest.approx(0.01),
    )


def test_retrieval_accuracy_by_hand():
    codes = np.eye(3)
    assert retrieval_accuracy(codes, codes, [0, 1, 2]) == (1.0, pytest.approx(1 / 3))
    swapped = codes[[1, 0, 2]]
    assert retrieval_accuracy(codes, swapped, [0, 1, 2])[0] == pytest.approx(1 / 3)


def test_retrieval_accuracy_of_a_constant_code_is_chance():
    accuracy, chance = retrieval_accuracy(np.ones((200, 4)), np.ones((200, 4)), np.arange(200))
    assert accuracy == pytest.approx(chance) == pytest.approx(0.01)


def test_retrieval_accuracy_leaves_out_the_same_class():
    codes = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    sentences = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]])
    assert retrieval_accuracy(codes, sentences, [0, 0, 1]) == (1.0, 4 / 9)


def test_retrieval_accuracy_of_one_class_is_unknown():
    assert np.all(np.isnan(retrieval_accuracy(np.eye(2), np.eye(2), [3, 3])))


def test_retrieval_accuracy_draws_by_the_seed():
    random = np.random.default_rng(0)
    arguments = random.normal(size=(50, 3)), random.normal(size=(50, 3)), np.arange(50)
    first = retrieval_accuracy(*arguments, num_candidates=5, seed=1)
    assert first == retrieval_accuracy(*arguments, num_candidates=5, seed=1)
    assert first != retrieval_accuracy(*arguments, num_candidates=5, seed=2)
    assert first[1] == pytest.approx(0.2)
