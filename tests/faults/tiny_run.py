"""A small real run by the commands' own lines, and what it ends with, byte for byte."""

import dataclasses
import json
import os
import pathlib
import sys
import zipfile

import h5py
import numpy as np
from PIL import Image, ImageDraw
from tiny_training import CONFIG, PRETRAINING, flags_of, save_damsm

from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.text.vocabulary import Vocabulary

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCHES = 3  # an epoch
NUM_IMAGES = BATCHES * CONFIG.batch_size + 2
PROGRESS = ".preparing"  # of prepare_data, which goes on from there; no temporary file
PARTS = ("model", "samples")  # of a run directory: what it ends with beside the last checkpoint


def environment():
    """Of a command that is to run alone on the CPU."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def make_inputs(directory: pathlib.Path) -> None:
    """Writes pictures to `folder/`, a data set to `data/` and an untrained DAMSM to `damsm/`."""
    _draw_pictures(directory / "folder")
    prepare(
        read_image_folder(directory / "folder"), directory / "data", name="shapes", image_size=32
    )
    save_damsm(directory / "damsm", Vocabulary.load(directory / "data" / "vocabulary.txt"))


def _draw_pictures(folder):
    noise = np.random.default_rng(0)  # without it the files would be too small to fill a disk
    for split, count in (("train", NUM_IMAGES), ("test", 4)):
        (folder / split).mkdir(parents=True)
        lines = []
        for number in range(count):
            colour, shape = ("red", "green", "blue")[number % 3], ("disc", "square")[number % 2]
            image = Image.fromarray(noise.integers(150, 256, (40, 40, 3), "uint8"))
            pen = ImageDraw.Draw(image)
            (pen.ellipse if shape == "disc" else pen.rectangle)((8, 8, 31, 31), fill=colour)
            image.save(folder / split / f"{number}.png")
            texts = [f"a {colour} {shape}", f"the {shape} is {colour}"]
            line = {"file_name": f"{number}.png", "text": texts, "class_id": number % 6}
            lines.append(json.dumps(line))
        (folder / split / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")


def command(name, *flags):
    """The command line of `python -m dmgan_tf.NAME`."""
    return [sys.executable, "-m", f"dmgan_tf.{name}", *map(str, flags)]


def training(inputs: pathlib.Path, run: pathlib.Path, epochs: int):
    """The command line of a run of `train`; the same one begins it and goes on with it."""
    config = dataclasses.replace(CONFIG, epochs=epochs)
    return command(
        "train",
        *_run_flags(inputs, run),
        f"--damsm={inputs / 'damsm'}",
        "--sample_every=2",
        *flags_of(config),
    )


def pretraining(inputs: pathlib.Path, run: pathlib.Path, epochs: int):
    """The command line of a run of `pretrain_damsm`."""
    config = dataclasses.replace(PRETRAINING, epochs=epochs)
    return command("pretrain_damsm", *_run_flags(inputs, run), *flags_of(config))


def _run_flags(inputs, run):
    return [
        *(f"--data={inputs / 'data'}", f"--run={run}", "--resume"),
        *("--deterministic", "--checkpoint_every=2"),
    ]


def results(run: pathlib.Path) -> dict:
    """All that a run ends with: every byte of its last checkpoint, its model and its sheets."""
    paths = sorted((run / "checkpoints").glob("step-*.npz"))[-1:]
    paths += [path for part in PARTS for path in sorted((run / part).glob("*"))]
    return {str(path.relative_to(run)): content(path) for path in paths}


def content(path: pathlib.Path):
    """The bytes of a file; of weights, whose names in HDF5 count what a process made before."""
    if path.suffix != ".h5":
        return path.read_bytes()
    arrays = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: isinstance(item, h5py.Dataset) and arrays.append(item[()].tobytes())
        )
    return sorted(arrays)


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """The names of what two finished runs do not have alike."""
    one, other = results(one), results(other)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def leftovers(directory: pathlib.Path) -> list[str]:
    """What should be in no directory when nothing is written to it: temporary and lock files."""
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if (path.name.startswith(".") and path.name != PROGRESS)
        or path.name == "lock"
        or path.suffix in (".tmp", ".old", ".damaged")
    )


def broken_files(run: pathlib.Path) -> list[str]:
    """The files under their final names that cannot be read."""
    broken = []
    for path in sorted(run.rglob("*")):
        inside = path.relative_to(run)
        if path.is_dir() or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            _read_whole(path)
        except Exception as error:
            broken.append(f"{inside} cannot be read: {error}")
    return broken


def _read_whole(path):
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a wrong checksum")
    elif path.suffix == ".h5":
        content(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".txt" and not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError("half a line")
