"""Models that ship with the package: they are in the wheel, and load with no network."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from source_imports import ROOT

from dmgan_tf.errors import InputError
from dmgan_tf.models import presets
from dmgan_tf.models.model_config import files_of
from dmgan_tf.models.presets import SHIPPED, find_model_directory, shipped_presets
from dmgan_tf.models.text_to_image import DMGANTextToImage

MOST_BYTES = 12_000_000
DRAW = """
import os, pathlib, sys
import dmgan_tf
assert pathlib.Path(dmgan_tf.__file__).is_relative_to(os.environ["PYTHONPATH"]), dmgan_tf.__file__
model = dmgan_tf.DMGANTextToImage.from_preset(sys.argv[1])
images = model.generate(["a smiling person in red"], seed=0)
print(images.shape, images.dtype, images.std() > 10)
"""


def test_there_is_one():
    assert "avatars_128" in shipped_presets()


@pytest.mark.parametrize("name", shipped_presets())
def test_a_shipped_model(name):
    directory = find_model_directory(name)
    assert directory == SHIPPED / name
    sizes = {path.name: path.stat().st_size for path in directory.iterdir()}
    assert sum(sizes.values()) <= MOST_BYTES
    assert {"config.json", "README.md", *files_of(directory)} <= sizes.keys()
    model = DMGANTextToImage.from_preset(name)
    assert model.image_encoder is not None and model.discriminators == []
    # Pictures of other captions are other pictures.
    red, green = model.generate(["a person with a red mohawk", "a bald person in a green shirt"])
    assert np.abs(red.astype(int) - green).mean() > 3


def test_an_unknown_name_is_told_those_there_are(error_line):
    with pytest.raises(InputError, match=r"shipped model \(.*avatars_128.*nothing there"):
        find_model_directory("avatars_129")
    line = error_line("sample", "--model=avatars_129", "--caption=a red apple")
    assert "avatars_128" in line
    with pytest.raises(InputError) as caught:
        find_model_directory("runs/avatars_129")  # a path, so no name was meant
    assert "shipped" not in str(caught.value)


def test_a_file_is_said_to_be_one(tmp_path):
    file = tmp_path / "emoji.h5"
    file.write_text("")
    with pytest.raises(InputError, match=r"Received: a file\."):
        find_model_directory(file)


def test_a_path_is_none_of_the_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in (".", "..", "./avatars_128", pathlib.Path("avatars_128"), "", "avatars_128/"):
        with pytest.raises(InputError):
            find_model_directory(model)
    own = tmp_path / "avatars_128"
    own.mkdir()
    (own / "config.json").write_text("{}")
    assert find_model_directory("./avatars_128").resolve() == own
    assert find_model_directory("avatars_128") == SHIPPED / "avatars_128"
    monkeypatch.chdir(own)
    assert find_model_directory(".").resolve() == own
    with pytest.raises(InputError, match="an empty name"):
        find_model_directory("")


def test_a_checkout_without_models(tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match=r"shipped model \(none\)"):
        find_model_directory("avatars_128")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution, as `pip` and `build` make them."""
    pytest.importorskip("hatchling")
    output = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (source,) = output.glob("*.whl"), output.glob("*.tar.gz")
    return wheel, source


def test_distributions_carry_the_models(built):
    wheel, source = built
    shipped = {path.relative_to(ROOT).as_posix() for path in SHIPPED.glob("*/*")}
    with zipfile.ZipFile(wheel) as archive:
        assert shipped <= set(archive.namelist())
        assert "dmgan_tf/data/emoji/ATTRIBUTION.md" in archive.namelist()
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert shipped | {"README.md", "LICENSE", "Makefile"} <= names
    assert not any(name.startswith((".venv", "runs")) for name in names)


@pytest.mark.slow  # a process that imports TensorFlow
def test_a_fresh_installation_draws_without_a_network(built, tmp_path):
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path / "site")
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-c", DRAW, "avatars_128"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "site"),
            **{
                name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
            },
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    size = DMGANTextToImage.from_preset("avatars_128").generator.image_sizes[-1]
    assert done.stdout.strip() == f"(1, {size}, {size}, 3) uint8 True"


# The script that writes them.


@pytest.fixture
def script():
    specification = importlib.util.spec_from_file_location(
        "ship_preset", ROOT / "benchmarks" / "ship_preset.py"
    )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def run_script(*arguments):
    done = subprocess.run(
        [sys.executable, "benchmarks/ship_preset.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.slow  # a process that imports TensorFlow
def test_a_preset_is_written_with_its_card_and_licences(vivid_model, tmp_path):
    score = {"metric": "r_precision", "protocol": "damsm", "value": 40.5, "deviation": 2.1}
    score |= {"num_images": 935, "chance": 1.0, "warnings": ["its own judge"]}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"format_version": 1, "scores": [score]}))
    done = run_script(
        *(f"--model={vivid_model}", "--name=tiny_32", f"--presets={tmp_path}/presets"),
        *(f"--scores=this model={report}", "--training=Fast."),
    )
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "presets" / "tiny_32"
    assert done.stdout.splitlines()[-1] == str(directory)
    assert sorted(path.name for path in directory.iterdir()) == [
        *("ATTRIBUTION.md", "README.md", "config.json", "generator.weights.h5"),
        *("image_encoder.weights.h5", "text_encoder.weights.h5", "vocabulary.txt"),
    ]
    card = (directory / "README.md").read_text(encoding="utf-8")
    for part in (
        "license: apache-2.0",
        "language:\n- en",
        'from_preset("tiny_32")',
        "| this model | R-precision [1] | damsm | 40.50 % ± 2.10 | 935 | 1 % |",
        "[1] its own judge.",
        "python -m dmgan_tf.train",
        "Fast.",
        "Personas by Draftbit",
        "without a known word is an error",
    ):
        assert part in card, part
    attribution = (directory / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Draftbit" in attribution and "CC BY 4.0" in attribution
    ours, original = map(DMGANTextToImage.from_preset, (directory, vivid_model))
    captions = ["a red disc", "the square is blue"]
    difference = ours.generate(captions).astype(int) - original.generate(captions)
    assert np.abs(difference).max() <= 1


def test_what_cannot_be_shipped(script, tmp_path):
    done = run_script("--model=avatars_128", "--name=Avatars 128")
    assert done.returncode == 2 and "Expected --name=NAME" in done.stderr
    with pytest.raises(InputError, match="Received: nothing there"):
        script.ship(tmp_path / "nowhere", tmp_path / "tiny_32", None)
    report = tmp_path / "report.json"
    report.write_text('{"scores": [{"metric": "fid"}]}')
    for given in ("a=nowhere.json", str(report), f"a={report}"):
        with pytest.raises(InputError, match="Expected --scores=LABEL=FILE.json"):
            script.scores_table([given])
    for values in ({"metric": "zoom", "value": 1.5}, {"metric": "fid", "value": "1.5"}):
        score = {"protocol": "lite0", "deviation": None, "num_images": 3, **values}
        report.write_text(json.dumps({"scores": [score]}))
        with pytest.raises(InputError, match="Expected --scores=LABEL=FILE.json"):
            script.scores_table([f"a={report}"])
    assert list(tmp_path.iterdir()) == [report]


def test_nothing_but_a_preset_is_replaced(script, vivid_model, tmp_path):
    checkpoint = tmp_path / "birds" / "checkpoints" / "1.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("hours of work")
    with pytest.raises(InputError, match="which saving would erase"):
        script.ship(vivid_model, tmp_path / "birds", None)
    assert checkpoint.read_text() == "hours of work"


def test_a_preset_that_is_too_large_is_not_written(script, vivid_model, tmp_path, monkeypatch):
    assert script.MOST_BYTES == MOST_BYTES
    monkeypatch.setattr(script, "MOST_BYTES", 10_000)
    with pytest.raises(InputError, match="a preset of at most 0.01 MB. Received: 0.* MB"):
        script.ship(vivid_model, tmp_path / "tiny_32", None)
    assert list(tmp_path.iterdir()) == []
