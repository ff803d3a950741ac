"""The export command, and its export run by TensorFlow's own command line."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf import DMGANTextToImage

LITERT = ("--format=litert", "--model={model}")
WEB = ("--format=web", "--model={model}")


def test_flags_reach_the_export_and_its_path_is_printed(run_command, monkeypatch, tmp_path):
    called = []

    def watched(*arguments, **settings):
        called.append((arguments, settings))
        return tmp_path / "shapes" / "3"

    monkeypatch.setattr("dmgan_tf.serving.export.export_model", watched)
    output = f"{tmp_path}/shapes"
    flags = ("--version=3", "--batch_sizes=1,2", "--fast", "--precision=bfloat16")
    status, stdout, stderr = run_command("export", "--model=m", f"--output={output}", *flags)
    assert status == 0, stderr
    assert stdout.splitlines()[-1] == f"{output}/3"
    settings = {"version": 3, "batch_sizes": [1, 2], "fast": True, "precision": "bfloat16"}
    assert called == [(("m", output), settings)]


@pytest.mark.slow  # an export and another process that imports TensorFlow
def test_a_model_is_exported_and_run_from_the_command_line(run_command, vivid_model, tmp_path):
    status, stdout, stderr = run_command(
        "export",
        f"--model={vivid_model}",
        f"--output={tmp_path}/shapes",
        "--version=3",
        "--batch_sizes=1,2",
    )
    assert status == 0, stderr
    directory = tmp_path / "shapes" / "3"
    assert stdout.splitlines()[-1] == str(directory)
    assert (directory / "saved_model.pb").is_file()

    captions = ["a red disc", "the square is blue"]
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run"]
    command += ["--dir", directory, "--tag_set", "serve", "--signature_def", "serving_default"]
    command += ["--input_exprs", f"captions={captions!r}", "--outdir", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    drawn = np.load(tmp_path / "images.npy")
    model = tf.saved_model.load(directory)
    signature = model.signatures["serving_default"]
    expected = signature(captions=tf.constant(captions))["images"].numpy()
    assert drawn.shape == (2, 32, 32, 3) and drawn.dtype == np.uint8
    assert np.max(np.abs(np.int32(drawn) - np.int32(expected))) <= 1


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ([], ["--model=MODEL"]),
        (["--model=m"], ["--output=SERVING_DIR/NAME"]),
        (["--model=none", "--output={0}/shapes"], ["model directory", "none"]),
        (["--model={model}", "--output={0}/a shape"], ["letters", "'a shape'"]),
        (["--model={model}", "--output={0}/file"], ["{0}/file, a file"]),
        (["--model={model}", "--output={0}/other"], ["{0}/other", "other things"]),
        (["--model={model}", "--output={0}/old", "--version=4"], ["{0}/old", "version=4"]),
        (["--model={model}", "--output={0}/new", "--version=-4"], ["version=-4"]),
        (["--model={model}", "--output={0}/new", "--batch_sizes=few"], ["1,2,4,8", "few"]),
        (["--model={model}", "--output={0}/new", "--batch_sizes=4,2"], ["ascending", "4,2"]),
        (["--model={model}", "--output={0}/new", "--precision=int8"], ["precision", "int8"]),
        (["--model={model}", "--output={0}/new", "--stages"], ["--stages", "litert"]),
        ([*LITERT, "--output={0}/new", "--version=4"], ["--version", "saved_model"]),
        ([*LITERT, "--output={0}/new", "--precision=bfloat16"], ["float16", "'bfloat16'"]),
        ([*LITERT, "--output={0}/new", "--caption_length=0"], ["caption_length", "0."]),
        ([*LITERT, "--output={0}/new", "--caption_length=257"], ["1 to 256", "257"]),
        ([*LITERT, "--output={0}/file"], ["{0}/file", "a file"]),
        ([*LITERT, "--output={0}/file/new"], ["{0}/file, which is no directory"]),
        ([*LITERT, "--output={0}/other"], ["{0}/other", "other things"]),
        ([*LITERT], ["--output=FOLDER"]),
        (["--format=onnx", "--model=m", "--output={0}/new", "--precision=int8"], ["litert or web"]),
        (["--format=onnx", "--model=m", "--output={0}/other"], ["{0}/other", "other things"]),
        ([*LITERT, "--output={0}/new", "--runtime={0}"], ["--runtime with --format=web only"]),
        ([*WEB, "--output={0}/new", "--runtime={0}/other"], ["npm install --prefix {0}/other"]),
        ([*WEB, "--output={0}/new", "--caption_length=257"], ["1 to 256", "257"]),
        ([*WEB, "--output={0}/other"], ["{0}/other", "other things"]),
    ],
)
def test_bad_input_is_one_line(error_line, vivid_model, tmp_path, flags, parts):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    (tmp_path / "old" / "4").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    line = error_line("export", *(flag.format(tmp_path, model=vivid_model) for flag in flags))
    for part in parts:
        assert part.format(tmp_path) in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_that_reads_no_captions(error_line, damsm_directory, vivid_model, tmp_path):
    line = error_line("export", f"--model={damsm_directory}", f"--output={tmp_path}/new")
    assert re.search("no generator", line)
    model = DMGANTextToImage.from_preset(vivid_model)
    DMGANTextToImage(None, None, model.generator).save_to_preset(tmp_path / "mute")
    line = error_line("export", f"--model={tmp_path}/mute", f"--output={tmp_path}/new")
    assert "no text encoder" in line and "--text_encoder=FILE" in line
    assert json.loads((tmp_path / "mute" / "config.json").read_text())  # it was a whole model
    assert not (tmp_path / "new").exists()
