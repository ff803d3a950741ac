"""Judges: codes of captions and images that belong together, and whose DAMSM it is."""

import keras
import numpy as np
import pytest
from tiny_evaluation import ArrayImages
from tiny_training import save_damsm

from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate import judges
from dmgan_tf.evaluate.captions import CaptionPlan, first_captions
from dmgan_tf.evaluate.judges import clip_judge, damsm_judge
from dmgan_tf.evaluate.scoring import Settings, score_images
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.text.vocabulary import Vocabulary

COLOURS = {"red": 0, "green": 1, "blue": 2}


class ColourScorer:
    """Stands for a `ClipScorer`: the code of a picture is its colour, of a caption its name's."""

    backbone = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def encode_texts(self, texts):
        return np.float32(np.eye(3)[[COLOURS[text] for text in texts]])

    def encode_images(self, images):
        means = np.float32(images.mean(axis=(1, 2)))
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture
def plan(prepared_data):
    return first_captions(list_captions(prepared_data, "test"), {})


def test_clip_compares_every_image_with_its_own_caption(monkeypatch):
    monkeypatch.setattr(judges.ClipScorer, "from_preset", lambda preset: ColourScorer())
    rows = np.array([2, 0, 1, 1])
    plan = CaptionPlan(list(COLOURS), np.arange(3), rows, {})
    pixels = np.zeros((4, 8, 8, 3), "uint8")
    pixels[np.arange(4), :, :, [2, 0, 1, 0]] = 200  # the last one is red, its caption green
    judge = clip_judge("colours", plan, seed=3)
    similarity, precision = score_images(
        ArrayImages(pixels, plan), [], (), judges=[judge], settings=Settings(batch_size=3)
    )
    assert (similarity.metric, similarity.value) == ("clip_score", 75.0)
    assert (precision.metric, precision.value) == ("clip_r_precision", 75.0)
    assert precision.chance == pytest.approx(100 / 3) and precision.warnings == ()
    assert judge.description["preset"] == "colours" and judge.description["seed"] == 3


def test_a_caption_has_one_code_however_many_there_are(damsm_directory, plan, monkeypatch):
    whole = damsm_judge(damsm_directory, plan).retrieval.sentence_codes
    monkeypatch.setattr(judges, "_CAPTIONS_AT_ONCE", 5)
    np.testing.assert_allclose(
        damsm_judge(damsm_directory, plan).retrieval.sentence_codes, whole, atol=1e-6
    )
    assert len(whole) == len(plan.captions) and np.std(whole, axis=0).max() > 0


def test_the_generators_own_damsm_is_said(damsm_directory, plan):
    encoders = load_model_directory(damsm_directory)
    judge = judges.judge_by_encoders(encoders, plan, is_own=True)
    assert judge.description["is_the_generators_own"] and "favours" in judge.warnings[0]
    assert judge.name == "damsm" and judge.network.in_graph


@pytest.fixture
def asked(monkeypatch):
    """What `damsm_judge` asks of a DAMSM that it has loaded, in place of the judge."""
    monkeypatch.setattr(
        judges, "judge_by_encoders", lambda components, plan, **asked: (components, asked)
    )


def test_the_generators_own_damsm_is_known_by_its_weights(damsm_directory, plan, asked):
    encoders = load_model_directory(damsm_directory)
    assert damsm_judge(damsm_directory, plan, drawn_by=encoders)[1]["is_own"]
    weight = encoders.text_encoder.weights[0]
    weight.assign(weight + 1)
    for other in (None, encoders):
        assert not damsm_judge(damsm_directory, plan, drawn_by=other)[1]["is_own"]


def test_a_shipped_model_judges_by_its_name(plan, asked):
    components, asked = damsm_judge("avatars_128", plan, seed=4)
    assert components.image_encoder is not None
    assert asked == {"seed": 4, "is_own": False, "path": "avatars_128"}


def test_half_a_damsm_is_no_judge(prepared_data, plan, tmp_path):
    vocabulary = Vocabulary.load(prepared_data / "vocabulary.txt")
    save_damsm(tmp_path / "half", vocabulary, with_image_encoder=False)
    with pytest.raises(InputError, match="without image encoder"):
        damsm_judge(tmp_path / "half", plan)
