"""What the code before the division into rooms wrote is read, drawn with and gone on with.

`kept.tar.xz` holds it, and `make.py` says which commit made it and how.
"""

import hashlib
import json
import re
import tarfile

import numpy as np
import pytest
from compatibility.make import CAPTIONS, KEPT, final_state

from dmgan_tf import DMGANTextToImage
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.text_encoder import TextEncoder

NETWORKS = {part.__name__: part for part in (Discriminator, Generator, ImageEncoder, TextEncoder)}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A directory, the current one, that holds what the old code wrote."""
    with tarfile.open(KEPT) as archive:
        # Python before 3.11.4, such as Debian 12's, has no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digests(directory):
    """The hash of every file below a directory, by its path."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_data_set_is_prepared_once(kept, run_command):
    before = digests(kept / "data")
    given = ("--source=pictures", "--output=data", "--image_size=32")
    status, stdout, stderr = run_command("prepare_data", *given)
    assert status == 0 and "train: 10 images" in stdout, stderr
    assert digests(kept / "data") == before


@pytest.mark.parametrize("name", ["dmgan", "float16"])
def test_the_same_pictures(kept, name):
    """Of a run directory, and of a model directory with weights of half precision."""
    model = DMGANTextToImage.from_preset(name)
    stages = model.generate(CAPTIONS, seed=0, return_stages=True)["stages"]
    with np.load(kept / f"{name}.npz") as file:
        expected = [file[key] for key in file]
    assert [stage.shape for stage in stages] == [(2, 16, 16, 3), (2, 32, 32, 3)]
    for stage, other in zip(stages, expected, strict=True):
        assert np.abs(np.int16(stage) - np.int16(other)).max() <= 1


def test_the_same_networks(kept):
    described = json.loads((kept / "architectures.json").read_text(encoding="utf-8"))
    assert len(described) == 6
    for network in described:
        model = NETWORKS[network["class"]](**network["config"])
        model.build()
        assert [list(weight.shape) for weight in model.weights] == network["shapes"]
        assert network["config"].items() <= model.get_config().items()


@pytest.mark.parametrize(("command", "run"), [("pretrain_damsm", "damsm"), ("train", "dmgan")])
def test_a_run_goes_on_by_its_own_flags(kept, run_command, command, run):
    """From within its second epoch, to where the old code came to."""
    data = digests(kept / "data")
    given = (f"--flagfile={run}/flags.txt", "--resume")
    status, stdout, stderr = run_command(command, *given)
    assert status == 0 and f"model: {run}/model" in stdout, stderr
    lines = [line for line in stderr.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 1 and lines[0].startswith("epoch 2/2: "), stderr
    assert digests(kept / "data") == data
    assert (kept / run / "checkpoints/step-00000004.npz").is_file()
    state = final_state(kept / run)
    expected = json.loads((kept / f"{run}.json").read_text(encoding="utf-8"))
    assert state.keys() == expected.keys()
    for name, (numbers, tolerance) in expected.items():
        if re.match("variables/average_generator/.*/moving_", name):
            continue  # the old code copied them
        assert state[name] == pytest.approx(numbers, rel=0, abs=tolerance), name
