import numpy as np
import pytest
from PIL import Image
from tiny_training import CONFIG, make_dmgan, make_encoders, values_of

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.evaluation_history import EvaluationHistory
from dmgan_tf.training.samples import CurrentModel, SampleSheets

VOCABULARY = Vocabulary(["a", "red", "green", "apple", "pear", "leaf"])
CAPTIONS = ["a red apple", "a green pear"]


def move(network, amount):
    for variable in network.weights:
        variable.assign(variable + amount)


@pytest.fixture(scope="module")
def made():
    dmgan = make_dmgan()
    return dmgan, values_of(dmgan.weights)


@pytest.fixture
def dmgan(made):
    """One for all tests, each of which finds it as it was made."""
    dmgan, values = made
    for weight, value in zip(dmgan.weights, values, strict=True):
        weight.assign(value)
    return dmgan


@pytest.fixture
def current(dmgan, prepared_data):
    info = load_dataset_info(prepared_data)
    return CurrentModel(dmgan, CONFIG, info, make_encoders(VOCABULARY))


def test_the_average_is_drawn_and_saved(dmgan, current, tmp_path):
    move(dmgan.average_generator, 0.01)
    current.update()
    for mine, average in zip(
        values_of(current.model.generator.weights),
        values_of(dmgan.average_generator.weights),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, average)
    scores = {"fid": 5.0, "r_precision": 40.0, "r_precision_chance": 10.0}
    comparison = {"protocol": "ttur", "num_images": 3, "num_reference": 4}
    history = EvaluationHistory(tmp_path / "none", tmp_path / "best", comparison, 0)
    current.save(tmp_path / "model", history.entry(2, 6, scores))
    loaded = DMGANTextToImage.from_preset(tmp_path / "model")
    assert np.array_equal(loaded.generate(CAPTIONS), current.model.generate(CAPTIONS))
    assert [network.image_size for network in loaded.discriminators] == [16, 32]
    assert loaded.image_encoder is not None and loaded.extra["training"]["seed"] == CONFIG.seed
    for fact in ("shapes, 14 training images", "steps so far: 0", "chosen after epoch 2 (step 6)"):
        assert fact in loaded.readme, fact
    assert "evaluation" not in current.model.extra


def test_the_discriminators_saved_are_those_of_now(dmgan, current, tmp_path):
    move(dmgan.discriminators[1], 0.5)
    current.save(tmp_path / "model")
    loaded = DMGANTextToImage.from_preset(tmp_path / "model")
    for one, other in zip(
        values_of(loaded.discriminators[1].weights),
        values_of(dmgan.discriminators[1].weights),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_sheets_are_named_after_their_step(current, tmp_path):
    sheets = SampleSheets(current, tmp_path, CAPTIONS, every=2, initial_step=3)
    for batch in range(4):
        sheets.on_train_batch_end(batch)
    sheets.on_epoch_end(0)
    names = sorted(path.name for path in tmp_path.iterdir())
    steps = ["step-00000004.png", "step-00000006.png", "step-00000007.png"]
    assert names == ["latest.png", *steps]
    newest = [(tmp_path / name).read_bytes() for name in ("latest.png", "step-00000007.png")]
    assert newest[0] == newest[1]


def test_without_a_rhythm_there_is_a_sheet_an_epoch(current, tmp_path):
    sheets = SampleSheets(current, tmp_path, CAPTIONS)
    sheets.on_train_batch_end(0)
    assert not list(tmp_path.iterdir())
    sheets.on_epoch_end(0)
    assert (tmp_path / "step-00000001.png").is_file()


def test_a_sheet_shows_the_weights_of_now_with_the_same_noise(dmgan, current, tmp_path):
    sheets = SampleSheets(current, tmp_path, CAPTIONS)

    def draw():
        with Image.open(sheets.draw()) as image:
            return np.asarray(image)

    first, again = draw(), draw()
    np.testing.assert_array_equal(first, again)
    move(dmgan.average_generator, 0.05)
    assert np.any(draw() != first)
