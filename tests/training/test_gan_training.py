import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_training import CONFIG, values_of

from dmgan_tf.data.image_folder import read_image_folder
from dmgan_tf.data.preparation import prepare
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training.gan_training import train_dmgan


def test_a_run_leaves_all_that_the_design_names(finished_run):
    assert (finished_run / "flags.txt").read_text() == "--epochs=2\n"
    assert {path.name for path in (finished_run / "checkpoints").iterdir()} == {
        "step-00000003.npz",
        "step-00000006.npz",
    }
    assert any((finished_run / "logs").iterdir())
    assert {path.name for path in (finished_run / "samples").iterdir()} == {
        "latest.png",
        "step-00000003.png",
        "step-00000006.png",
    }
    assert {path.name for path in (finished_run / "model").iterdir()} == {
        "README.md",
        "config.json",
        "discriminators.weights.h5",
        "generator.weights.h5",
        "image_encoder.weights.h5",
        "text_encoder.weights.h5",
        "vocabulary.txt",
    }


def test_the_model_is_the_average_of_the_last_checkpoint(finished_run, damsm_directory):
    model = load_model_directory(finished_run)
    with np.load(finished_run / "checkpoints/step-00000006.npz") as checkpoint:
        saved = [
            checkpoint[name]
            for name in sorted(checkpoint)
            if name.startswith("variables/average_generator/")
        ]
    assert sum(value.size for value in saved) == sum(w.size for w in values_of(saved_of(model)))
    for value, weight in zip(saved, values_of(saved_of(model)), strict=True):
        np.testing.assert_array_equal(value, weight)
    damsm = load_model_directory(damsm_directory)
    for part in ("text_encoder", "image_encoder"):
        weights = (values_of(getattr(source, part).weights) for source in (model, damsm))
        for one, other in zip(*weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert model.extra["training"] == json.loads(json.dumps(dataclasses.asdict(CONFIG)))


def saved_of(model):
    return model.generator.variables


def test_the_card_says_what_it_is(finished_run):
    card = (finished_run / "model/README.md").read_text()
    for fact in ("shapes, 14 training images", "16, 32 pixels", "steps so far: 6", "paper"):
        assert fact in card


def test_a_user_can_draw_with_it(finished_run):
    model = DMGANTextToImage.from_preset(finished_run)
    images = model.generate(["a red disc", "the square is blue"], seed=1)
    assert images.shape == (2, 32, 32, 3) and images.dtype == np.uint8
    assert np.any(images[0] != images[1])


def test_captions_and_rhythm_of_the_sheets(prepared_data, damsm_directory, tmp_path):
    run, once = tmp_path / "run", dataclasses.replace(CONFIG, epochs=1)
    result = train_dmgan(
        once,
        prepared_data,
        damsm_directory,
        run,
        sample_captions=["a red disc"],
        sample_every=2,
    )
    assert result.model == str(run / "model") and result.samples == str(run / "samples/latest.png")
    names = [path.name for path in sorted((run / "samples").glob("step-*"))]
    assert names == ["step-00000002.png", "step-00000003.png"]
    with Image.open(result.samples) as one_row, Image.open(run / "samples" / names[0]) as other:
        assert one_row.size == other.size and one_row.height < 32 * 4


def test_without_test_images_captions_are_those_of_training(
    image_folder, damsm_directory, prepared_data, tmp_path
):
    data = tmp_path / "data"
    splits = {**read_image_folder(image_folder), "test": []}
    info = prepare(splits, data, name="shapes", image_size=32)
    if info.vocabulary() != load_model_directory(damsm_directory).vocabulary:
        pytest.fail("the vocabulary is that of the training captions, which are the same")
    once = dataclasses.replace(CONFIG, epochs=1)
    train_dmgan(once, data, damsm_directory, tmp_path / "run")
    assert (tmp_path / "run/samples/latest.png").is_file()


def test_resuming_a_finished_run_makes_up_for_a_lost_model(
    prepared_data, damsm_directory, finished_run, tmp_path
):
    run = shutil.copytree(finished_run, tmp_path / "run")
    checkpoint = (run / "checkpoints/step-00000006.npz").read_bytes()
    shutil.rmtree(run / "model")
    train_dmgan(CONFIG, prepared_data, damsm_directory, run, resume=True)
    assert (run / "checkpoints/step-00000006.npz").read_bytes() == checkpoint
    models = [load_model_directory(path).generator for path in (run, finished_run)]
    for one, other in zip(*(values_of(model.weights) for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"batch_size": 15}, {}, "14 images .*Received: 15"),
        ({"num_stages": 3}, {}, "draws 64 pixels; .* prepared for 32.*--image_size=64"),
        ({"strategy": "tpu"}, {}, "--strategy .*'tpu'"),
        ({"refinement": "none"}, {}, "refinement"),
        ({}, {"sample_captions": ["a red disc", "zeppelin"]}, "zeppelin"),
    ],
)
def test_what_cannot_be_trained_leaves_no_trace(
    prepared_data, damsm_directory, tmp_path, changes, arguments, message
):
    config = dataclasses.replace(CONFIG, **changes)
    with pytest.raises(InputError, match=message):
        train_dmgan(config, prepared_data, damsm_directory, tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()
