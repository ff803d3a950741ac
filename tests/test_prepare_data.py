import json
import subprocess
import sys

import pytest
from PIL import Image

from dmgan_tf.data import records


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dmgan_tf.prepare_data", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    lines = []
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 0, 0)).save(folder / f"{number}.jpg")
        lines.append(json.dumps({"file_name": f"{number}.jpg", "text": f"red {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_command_prepares_and_says_what(source, tmp_path):
    (source / "3.jpg").write_bytes((source / "3.jpg").read_bytes()[:300])
    output = tmp_path / "out"
    result = run(
        "--dataset=image_folder",
        f"--source={source}",
        f"--output={output}",
        "--image_size=32",
        "--test_fraction=0.25",
        "--max_skipped_fraction=0.2",
    )
    assert result.returncode == 0, result.stderr
    assert "skipped: 1 broken image" in result.stdout
    assert "3.jpg" in result.stderr and "8/8" in result.stderr
    info = records.load_dataset_info(output)
    assert sum(split.num_images for split in info.splits.values()) == 7
    again = run(f"--source={source}", f"--output={output}", "--image_size=16")
    assert again.returncode == 2 and "--overwrite" in again.stderr


def one_error_line(result):
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in result.stderr
    return lines[0]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda source: [f"--source={source}/none"], "no folder"),
        (lambda source: [f"--source={source}", "--image_size=64"], "40x40"),
    ],
)
def test_bad_input_is_one_line(source, tmp_path, change, message):
    result = run(f"--output={tmp_path / 'out'}", *change(source))
    assert message in one_error_line(result)
