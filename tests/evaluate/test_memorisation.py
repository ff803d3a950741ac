"""Training pictures are found again among drawn ones; the sheet shows them side by side."""

import numpy as np
import pytest
from tiny_evaluation import ArrayImages, MeanColour, random_images

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import memorisation, scoring
from dmgan_tf.evaluate.captions import CaptionPlan
from dmgan_tf.evaluate.diversity import DiversityJudge
from dmgan_tf.evaluate.memorisation import MemorisationJudge
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images

SETTINGS = Settings(batch_size=8)
TRAINING, REAL = random_images(1, 60), random_images(5, 50)


def prepared(judge):
    """The judge, ready to look at images."""
    real = ArrayImages(REAL)
    references = measure_reference(real, [MeanColour()], ["memorisation"], settings=SETTINGS)
    judge.prepare(references, settings=SETTINGS)
    return judge


def judged(images, plan=None, **options):
    judge = prepared(MemorisationJudge(MeanColour(), ArrayImages(TRAINING)))
    images = ArrayImages(images, plan)
    return judge, score_images(images, [], (), judges=[judge], settings=SETTINGS, **options)


def test_training_pictures_are_all_nearer_and_all_copies():
    _, (nearer, copies) = judged(TRAINING)
    assert (nearer.metric, copies.metric) == ("memorisation", "near_copies")
    assert (nearer.value, nearer.standard_error, nearer.chance) == (100, 0, 50)
    assert (copies.value, copies.standard_error, copies.chance) == (100, 0, 5)
    assert (nearer.num_images, nearer.num_reference, nearer.protocol) == (60, 50, "mean_colour")


def test_real_pictures_are_as_near_as_real_pictures():
    _, (nearer, copies) = judged(REAL)
    assert nearer.value == pytest.approx(50) and 2 < nearer.standard_error < 10
    assert copies.value == pytest.approx(6) and not copies.warnings  # 3 of 50
    _, (nearer, _) = judged(random_images(9, 50))
    assert abs(nearer.value - 50) < 3 * nearer.standard_error


def test_pictures_of_another_kind_are_further():
    red = np.zeros((40, 8, 8, 3), "uint8")
    red[..., 0] = 255
    _, (nearer, copies) = judged(red)
    assert nearer.value < 10 and copies.value == 0
    assert copies.warnings == ("no near copy: at 95 % confidence, fewer than 7.5 %",)


def test_the_sheet_shows_the_nearest_first(monkeypatch):
    kept = {}
    monkeypatch.setattr(
        memorisation, "contact_sheet", lambda *rows, **title: kept.update(rows=rows, **title)
    )
    drawn = random_images(7, 40)
    drawn[33] = TRAINING[21]
    plan = CaptionPlan(["a red", "a blue"], np.arange(2), np.arange(40) % 2, {})
    judge, _ = judged(drawn, plan)
    judge.sheet()
    pictures, captions = kept["rows"]
    assert len(pictures) == len(captions) == 24 and {len(row) for row in pictures} == {4}
    np.testing.assert_array_equal(pictures[0][0], drawn[33])
    np.testing.assert_array_equal(pictures[0][1], TRAINING[21])
    assert captions[0].startswith("a blue: 0.000, ")
    distances = [float(text.split(": ")[1].split(",")[0]) for text in captions]
    assert distances == sorted(distances)
    assert "24 of 40" in kept["title"] and "60 training pictures" in kept["title"]


def test_fewer_pictures_have_a_shorter_sheet():
    judge, _ = judged(REAL[:2])
    sheet = judge.sheet()
    assert sheet.width > 4 * 96 and sheet.height < 4 * 96


class Interrupted(Exception):
    """Stands for a killed process."""


def test_an_interrupted_evaluation_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.PartialResult.__init__, "__defaults__", (0.0,))
    drawn = ArrayImages(
        random_images(7, 40), CaptionPlan(list("abcde"), np.arange(5), np.arange(40) % 5, {})
    )

    def scores(on_images=None, path=None):
        judges = [
            prepared(MemorisationJudge(MeanColour(), ArrayImages(TRAINING))),
            prepared(DiversityJudge(MeanColour(), drawn)),
        ]
        options = {"partial_path": path, "on_images": on_images, "settings": SETTINGS}
        return score_images(drawn, [], (), judges=judges, **options)

    def stop_at_16(first, images):
        if first == 16:
            raise Interrupted

    path, seen = tmp_path / "x.partial.npz", []
    with pytest.raises(Interrupted):
        scores(stop_at_16, path)
    assert scores(lambda first, images: seen.append(first), path) == scores()
    assert seen == [16, 24, 32]


def test_too_few_training_pictures():
    with pytest.raises(InputError, match="at least 3 training images.*Received: 2"):
        MemorisationJudge(MeanColour(), ArrayImages(TRAINING[:2]))
