"""The `finetune` command: what it runs, and how it goes on."""

import json
import shutil

import pytest
from PIL import Image, ImageDraw

from dmgan_tf import command
from dmgan_tf.errors import InputError, Interrupted
from dmgan_tf.training import finetuning, step_times
from dmgan_tf.training.step_times import StepTimes

NAMES = ["prepare_data", "pretrain_damsm", "train", "evaluate"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Discs and squares, 24 of 40 pixels, with words that `finished_run` knows and others."""
    folder = tmp_path_factory.mktemp("own") / "pictures"
    folder.mkdir()
    for number in range(24):
        colour, shape = ("red", "green", "purple")[number % 3], ("disc", "square")[number % 2]
        image = Image.new("RGB", (40, 40), "white")
        pen = ImageDraw.Draw(image)
        draw = pen.ellipse if shape == "disc" else pen.rectangle
        draw((6 + number % 4, 6, 33, 33), fill=colour)
        image.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a {colour} {shape}\nmy {shape}, {colour}\n")
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Steps that are said to take so long that there is time for a pass or two."""
    times = StepTimes(damsm=1.0, training=6.0, precision="float32")
    monkeypatch.setattr(step_times, "measure_steps", lambda *arguments: times)


@pytest.fixture
def called(monkeypatch):
    """The commands that were called, with their flags, instead of running them."""
    calls = []

    def call(module, arguments, instead_of):
        name = module.__name__.removeprefix("dmgan_tf.").removesuffix(".__main__")
        calls.append((name, list(arguments)))
        for_this = answers.get(name)
        if for_this is not None:
            raise for_this

    answers = {}
    calls_and_answers = calls, answers
    monkeypatch.setattr(command, "call", call)
    monkeypatch.setattr(finetuning, "evaluation_flags", lambda run, minutes: ["--num_images=9"])
    return calls_and_answers


@pytest.fixture
def flags(pictures, finished_run, tmp_path):
    return [f"--source={pictures}", f"--model={finished_run}", f"--run={tmp_path / 'run'}"]


def test_a_dry_run_prints_three_commands_and_leaves_nothing(
    flags, tmp_path, quick, called, run_command
):
    status, stdout, stderr = run_command("finetune", *flags, "--dry_run", "--minutes=2")
    assert status == 0, stderr
    for name in NAMES[:3]:
        assert f"python -m dmgan_tf.{name} " in stdout
    assert called[0] == [] and not (tmp_path / "run").exists()


def test_the_commands_run_in_a_row_and_those_done_not_again(
    flags, tmp_path, quick, called, run_command, error_line
):
    calls, answers = called
    answers["train"] = Interrupted(
        "stopped by SIGTERM after step 7, saved; continue with --resume", 75
    )
    status, stdout, stderr = run_command("finetune", *flags)
    assert status == 75
    assert "after step 7, saved; give the same command again to continue" in stderr
    assert [name for name, _ in calls] == NAMES[:3]
    assert json.loads((tmp_path / "run" / "finetune.json").read_text())["done"] == NAMES[:2]
    answers.clear()
    first = calls[2]
    calls.clear()
    line = error_line("finetune", *flags, "--minutes=90", "--precision=bfloat16")
    assert "started with, --minutes=60.0 and no --precision. Rec" in line and calls == []
    status, stdout, stderr = run_command("finetune", *flags)
    assert status == 0, stderr
    assert calls == [first, ("evaluate", ["--num_images=9"])]
    assert "1 of 4, prepare_data: done before" in stdout
    calls.clear()
    assert run_command("finetune", *flags)[0] == 0 and calls == []


def test_a_preparation_that_failed_begins_anew(flags, tmp_path, quick, called, run_command):
    calls, answers = called
    answers["prepare_data"] = InputError("3 of 24 are broken")
    assert run_command("finetune", *flags)[0] == 2
    assert "--overwrite" not in calls[0][1]
    (tmp_path / "run" / "data").mkdir()
    run_command("finetune", *flags)
    assert "--overwrite" in calls[1][1]


def test_bad_input_leaves_nothing(flags, finished_run, image_folder, tmp_path, quick, error_line):
    def line(*changes):
        found = error_line("finetune", *flags, *changes)
        assert not (tmp_path / "run").exists()
        return found

    assert "Expected --run=DIR" in line("--run=")
    assert "nothing there" in line("--model=no_such_model")
    assert "no folder" in line(f"--source={tmp_path / 'none'}")
    assert "no captions" in line(f"--source={finished_run / 'samples'}")
    assert "--image_size of a stage" in line("--image_size=50")
    assert "minutes" in line("--minutes=0")
    taken = f"--run={shutil.copytree(finished_run, tmp_path / 'taken')}"
    assert "already contains a run" in line(taken)
    others = tmp_path / "others"  # with what other commands made
    (others / "data").mkdir(parents=True)
    assert "data/ another command made" in line(f"--run={others}")
    (others / "data").rename(others / "damsm")
    (others / "damsm" / "flags.txt").touch()
    assert "already contains a run" in line(f"--run={others}")
    (tmp_path / "taken" / "finetune.json").write_text("{}")
    assert "something else" in line(taken)


@pytest.mark.parametrize("given", [[], ["--model=avatars_128"]])
def test_without_a_model_the_weights_are_new(run_command, tmp_path, quick, pictures, given):
    status, stdout, _ = run_command(
        "finetune", f"--source={pictures}", f"--run={tmp_path / 'run'}", "--dry_run", *given
    )
    assert status == 0 and "--base_size=16 " in stdout
    assert stdout.count("--init=avatars_128") == 2 * len(given)


@pytest.mark.slow
def test_own_pictures_to_a_model_that_knows_their_words(flags, finished_run, tmp_path, run_command):
    run = tmp_path / "run"
    arguments = [*flags, "--minutes=2", "--precision=float32"]
    status, stdout, stderr = run_command("finetune", *arguments)
    assert status == 0, stderr
    assert (run / "samples" / "latest.png").is_file()
    scores = json.loads((run / "evaluation.json").read_text())["scores"]
    assert [score["metric"] for score in scores] == ["r_precision"]
    status, _, stderr = run_command(
        *("sample", f"--model={run}", "--caption=my purple disc", f"--output={tmp_path / 'out'}")
    )
    assert status == 0 and "my" not in stderr, stderr
    again = run_command("finetune", *arguments)
    assert again[0] == 0 and "4 of 4, evaluate: done before" in again[1]
