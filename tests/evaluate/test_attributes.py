"""Attribute accuracy where it is known: real pictures, and pictures of other captions."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from tiny_evaluation import ArrayImages

from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.avatars.source import STYLES, Avatars
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import attributes
from dmgan_tf.evaluate.attributes import AttributeJudge
from dmgan_tf.evaluate.captions import CaptionPlan, first_captions
from dmgan_tf.evaluate.images import StoredImages
from dmgan_tf.evaluate.scoring import score_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("avatars")
    source = Avatars(num_images=20 * len(STYLES), image_size=64, test_fraction=0.5, seed=5)
    prepare(source.read(), path, name="avatars", image_size=64)
    return path


@pytest.fixture(scope="module")
def pictures(data):
    plan = first_captions(list_captions(data, "test"), {})
    images = StoredImages(data, "test", size=64, crop=False, plan=plan)
    return ArrayImages(np.concatenate(list(images.batches(0, 32))), plan)


def scores_of(images):
    judge = AttributeJudge(images.plan)
    scores = {s.metric: s for s in score_images(images, [], ["attributes"], judges=[judge])}
    return scores, judge


def test_real_pictures_show_what_their_captions_name(pictures):
    scores, judge = scores_of(pictures)
    assert scores["attributes"].value > 97
    assert scores["dealt_attributes"].value < 45
    assert scores["attributes"].num_groups > 3 * pictures.num_images
    shares = judge.description["by_attribute"]["attributes"]
    assert shares["style"][0] == 1
    counted = sum(count for name, (_, _, count) in shares.items() if name not in ("", "style"))
    assert counted == scores["attributes"].num_groups


def test_pictures_of_another_style_show_nothing_of_it(pictures):
    plan = dataclasses.replace(pictures.plan, rows=np.roll(pictures.plan.rows, 1))
    scores, judge = scores_of(ArrayImages(pictures.images, plan))  # the styles stand in turn
    assert scores["attributes"].value < 1
    assert judge.description["by_attribute"]["attributes"]["style"][0] < 0.01


def test_pictures_of_other_captions_score_as_the_floor(pictures):
    count = len(STYLES)
    plan = dataclasses.replace(pictures.plan, rows=np.roll(pictures.plan.rows, count))
    scores, _ = scores_of(ArrayImages(pictures.images, plan))
    floor = scores["dealt_attributes"]
    assert abs(scores["attributes"].value - floor.value) < 5 * floor.standard_error


def test_the_worst_attribute_is_on_top_where_others_are_not_named(pictures, monkeypatch):
    """Those of other styles have no share, which has no place in an order."""
    rows = pictures.plan.rows[:: len(STYLES)]
    plan = dataclasses.replace(pictures.plan, rows=np.roll(rows, 1))
    _, judge = scores_of(ArrayImages(pictures.images[:: len(STYLES)], plan))
    drawn = []
    monkeypatch.setattr(attributes, "draw_bars", lambda bars, title: drawn.extend(bars))
    judge.sheet()
    values = [bar.value for bar in drawn]
    assert len(values) > 5 and values == sorted(values)


@pytest.mark.parametrize("named", [[], [{"eyes": "closed"}]])
def test_captions_of_which_nothing_is_known_are_refused(named):
    """Or something else than the attributes of avatars, each of which names its style."""
    plan = CaptionPlan(["a red disc"], np.zeros(1, int), np.zeros(1, int), {}, named)
    with pytest.raises(InputError, match="--dataset=avatars.*'a red disc'"):
        AttributeJudge(plan)


def test_the_command_writes_numbers_and_their_chart(data, run_command, tmp_path):
    output = tmp_path / "scores.json"
    status, stdout, stderr = run_command(
        *("evaluate", f"--images={data}", f"--data={data}", "--nocrop", "--metrics=attributes"),
        f"--output={output}",
    )
    assert status == 0, stderr
    assert "named attributes drawn right" in stdout
    report = json.loads(output.read_text())
    assert {score["metric"] for score in report["scores"]} == {"attributes", "dealt_attributes"}
    assert len(report["judges"]["attributes"]["by_attribute"]["attributes"]) > 8
    with Image.open(tmp_path / "scores.attributes.png") as chart:
        assert chart.width > 500 and len(chart.getcolors(10**6)) > 10
