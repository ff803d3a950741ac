import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.training.config import PretrainingConfig
from dmgan_tf.training.damsm_run import pretrain_damsm

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220)}
TINY = PretrainingConfig(
    epochs=2,
    batch_size=4,
    image_backbone="small_cnn",
    backbone_channels=4,
    encoder_input_size=16,
    word_dim=8,
    embedding_dim=8,
    max_words=4,
    seed=3,
)
FLAGS = [
    "--epochs=1",
    "--batch_size=4",
    "--image_backbone=small_cnn",
    "--backbone_channels=4",
    "--encoder_input_size=16",
    "--word_dim=8",
    "--embedding_dim=8",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        (source / split).mkdir()
        lines = []
        for index in range(count):
            name, colour = list(COLOURS.items())[index % 3]
            pixels = random.integers(0, 20, (20, 20, 3)) + np.array(colour)
            Image.fromarray(pixels.astype("uint8")).save(source / split / f"{index}.png")
            lines.append(
                {
                    "file_name": f"{index}.png",
                    "text": [f"a {name} square", f"the square is {name}"],
                    "class_id": index % 3,
                }
            )
        text = "\n".join(json.dumps(line) for line in lines)
        (source / split / "metadata.jsonl").write_text(text)
    output = tmp_path_factory.mktemp("prepared") / "data"
    prepare(read_image_folder(source), output, name="squares", image_size=16)
    return output


def weights_in(run):
    components = load_model_directory(run)
    return [
        np.array(weight)
        for part in (components.text_encoder, components.image_encoder)
        for weight in part.get_weights()
    ]


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, pretrain_damsm(TINY, data, run, flags_text="--epochs=2")


def test_a_run_leaves_a_model_and_its_figures(whole_run):
    run, result = whole_run
    assert result.model == str(run / "model")
    assert 0 <= result.retrieval_accuracy <= 1
    assert result.retrieval_chance == pytest.approx(1 / 5)
    components = load_model_directory(run)
    assert components.text_encoder.word_dim == components.image_encoder.embedding_dim == 8
    assert components.extra["damsm"]["image_size"] == 16
    assert components.extra["damsm"]["retrieval_accuracy"] == result.retrieval_accuracy
    assert (run / "flags.txt").read_text() == "--epochs=2\n"
    assert any((run / "logs").iterdir())


def test_resuming_equals_no_interruption(data, whole_run, tmp_path):
    once = dataclasses.replace(TINY, epochs=1)
    pretrain_damsm(once, data, tmp_path / "run")
    after_one = weights_in(tmp_path / "run")
    result = pretrain_damsm(TINY, data, tmp_path / "run", resume=True)
    assert result.retrieval_accuracy == whole_run[1].retrieval_accuracy
    weights = weights_in(tmp_path / "run")
    assert not all(np.array_equal(one, two) for one, two in zip(after_one, weights, strict=True))
    for resumed, expected in zip(weights, weights_in(whole_run[0]), strict=True):
        np.testing.assert_allclose(resumed, expected, rtol=1e-5, atol=1e-6)


def test_resuming_a_finished_run_trains_no_more(data, whole_run):
    before = weights_in(whole_run[0])
    result = pretrain_damsm(TINY, data, whole_run[0], resume=True, flags_text="--epochs=2")
    assert result == whole_run[1]
    for one, other in zip(before, weights_in(whole_run[0]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_run_in_the_directory_is_refused(data, whole_run):
    with pytest.raises(InputError, match="already holds a run"):
        pretrain_damsm(TINY, data, whole_run[0])


def test_resuming_with_another_architecture_is_refused(data, whole_run):
    other = dataclasses.replace(TINY, word_dim=16)
    with pytest.raises(InputError, match="another architecture"):
        pretrain_damsm(other, data, whole_run[0], resume=True)


def test_more_images_a_batch_than_there_are(data, tmp_path):
    with pytest.raises(InputError, match="batch size .* Received: 13"):
        pretrain_damsm(dataclasses.replace(TINY, batch_size=13), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def run_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dmgan_tf.pretrain_damsm", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=pathlib.Path(__file__).parents[1],
    )


def test_the_command_trains_and_its_flags_are_reloadable(data, tmp_path):
    done = run_command(f"--data={data}", f"--run={tmp_path / 'run'}", *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "chance 20.0%" in done.stdout
    assert f"model: {tmp_path / 'run' / 'model'}" in done.stdout
    again = run_command(f"--flagfile={tmp_path / 'run' / 'flags.txt'}")
    assert again.returncode == 2
    error = [line for line in again.stderr.splitlines() if line.startswith("error:")]
    assert len(error) == 1 and "already holds a run" in error[0] and "--resume" in error[0]


def test_the_command_names_what_is_missing():
    done = run_command("--run=anywhere")
    assert done.returncode == 2
    assert "error: Expected --data=DIR" in done.stderr
