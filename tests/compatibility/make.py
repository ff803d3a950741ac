"""Makes `kept.tar.xz`: what the code of one commit wrote, for `test_compatibility.py` to use.

Run it with that commit's code first on the path, by the command lines and the public names only:

    git worktree add /tmp/old 6fcd785
    cd /tmp/old && PYTHONPATH=/tmp/old python PATH/TO/tests/compatibility/make.py

Commit 6fcd785 is the last one before the package was divided into rooms.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
from PIL import Image, ImageDraw

KEPT = pathlib.Path(__file__).with_name("kept.tar.xz")
CAPTIONS = ["a red disc", "the square is blue"]
RUN_FLAGS = ("--batch_size=4", "--max_words=4", "--seed=3")
DAMSM_FLAGS = (
    *("--data=data", "--run=damsm", "--image_backbone=small_cnn", "--backbone_channels=2"),
    *("--encoder_input_size=16", "--word_dim=4", "--embedding_dim=6", *RUN_FLAGS),
)
DMGAN_FLAGS = (
    *("--data=data", "--damsm=damsm", "--run=dmgan", "--damsm_weight=0.5", "--channels=2"),
    *("--discriminator_channels=2", "--noise_dim=5", "--condition_dim=4"),
    *("--num_residual_blocks=1", "--base_size=16", "--num_stages=2", "--ema_decay=0.9"),
    *("--objective=release", *RUN_FLAGS),
)
ORDERS = (  # of summation: another machine's, with other cores, has yet another
    {"TF_NUM_INTRAOP_THREADS": "1"},
    {"TF_NUM_INTRAOP_THREADS": "2"},
    {"TF_NUM_INTRAOP_THREADS": "2", "TF_ENABLE_ONEDNN_OPTS": "0"},
)


def summary(arrays):
    """Five numbers of each array, by name: what tells two runs' weights apart in little space."""
    return {
        name: [float(f) for f in (a.mean(), np.abs(a).mean(), a.min(), a.max(), a.flat[-1])]
        for name, a in ((name, np.asarray(array, np.float64)) for name, array in arrays.items())
    }


def final_state(run):
    """The `summary` of every variable in the newest checkpoint of a run."""
    with np.load(max((run / "checkpoints").glob("step-*.npz"))) as file:
        return summary({name: file[name] for name in file if name != "metadata"})


def draw_pictures(folder):
    """Writes ten pictures to train on and four to test."""
    for split, count in (("train", 10), ("test", 4)):
        (folder / split).mkdir(parents=True)
        lines = []
        for number in range(count):
            colour, shape = ("red", "green", "blue")[number % 3], ("disc", "square")[number % 2]
            image = Image.new("RGB", (32, 32), "white")
            pen = ImageDraw.Draw(image)
            draw = pen.ellipse if shape == "disc" else pen.rectangle
            draw((4 + number % 4, 4, 27, 27), fill=colour)
            image.save(folder / split / f"{number}.png")
            texts = [f"a {colour} {shape}", f"the {shape} is {colour}"]
            line = {"file_name": f"{number}.png", "text": texts, "class_id": number % 5}
            lines.append(json.dumps(line))
        (folder / split / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")


def run(directory, name, *flags, **environment):
    """Runs `python -m dmgan_tf.NAME` there."""
    command = [sys.executable, "-m", f"dmgan_tf.{name}", *flags]
    subprocess.run(command, cwd=directory, env={**os.environ, **environment}, check=True)


def train(directory, name, flags):
    """A run of two epochs of two steps, killed after the third; its end goes to `RUN.json`.

    It stands as the first epoch left it, with the flags of the second and one more checkpoint.
    """
    run_directory = directory / next(flag for flag in flags if "--run=" in flag)[len("--run=") :]
    run(directory, name, *flags, "--epochs=1")
    ends = []
    for number, order in enumerate(ORDERS):
        finished = shutil.copytree(run_directory, directory / f"finished-{number}")
        more = ("--epochs=2", "--checkpoint_every=3", "--keep_checkpoints=5")
        run(directory, name, *flags, *more, f"--run={finished.name}", "--resume", **order)
        ends.append(final_state(finished))
    text = json.dumps(with_tolerances(ends), indent=0)
    (directory / f"{run_directory.name}.json").write_text(text, encoding="utf-8")
    text = (finished / "flags.txt").read_text(encoding="utf-8")
    text = text.replace(f"--run={finished.name}", f"--run={run_directory.name}")
    (run_directory / "flags.txt").write_text(text, encoding="utf-8")
    checkpoints = run_directory / "checkpoints"
    shutil.rmtree(checkpoints)
    checkpoints.mkdir()
    shutil.copy(directory / "finished-0/checkpoints/step-00000003.npz", checkpoints)
    for needless in (run_directory / "logs", run_directory / "samples"):
        shutil.rmtree(needless, ignore_errors=True)
    for finished in directory.glob("finished-*"):
        shutil.rmtree(finished)


def with_tolerances(ends):
    """The numbers of the first end, each variable's with how far another machine may be from them.

    That is 1e-6 of the variable's size, or more where the old code's own ends were farther apart
    by the order of summation alone: Adam makes a step of its usual size of the rounding errors of
    a gradient that should be zero.
    """
    first, *others = ends
    result = {}
    for name, numbers in first.items():
        apart = max(abs(a - b) for end in others for a, b in zip(numbers, end[name], strict=True))
        result[name] = numbers, max(1e-6 * max(1, *map(abs, numbers)), 10 * apart)
    return result


def compress(path):
    """Writes a checkpoint again, smaller; it reads the same."""
    with np.load(path) as file:
        arrays = dict(file)
    np.savez_compressed(path, **arrays)


def save_half_precision(directory):
    """The model of the run in float16, made to draw more than grey."""
    from dmgan_tf import DMGANTextToImage

    model = DMGANTextToImage.from_preset(directory / "dmgan")
    for weight in model.generator.weights:
        if weight.shape[-1] == 3:  # the convolutions that end in colours
            weight.assign(60 * weight)
    model.save_to_preset(directory / "float16", weights_dtype="float16")


def save_pictures(directory, name):
    """What a model draws, stage by stage."""
    from dmgan_tf import DMGANTextToImage

    model = DMGANTextToImage.from_preset(directory / name)
    stages = model.generate(CAPTIONS, seed=0, return_stages=True)["stages"]
    np.savez_compressed(directory / f"{name}.npz", *map(np.asarray, stages))


def save_architectures(path):
    """The configurations of networks as `config.json` has them, and the shapes of their weights."""
    from dmgan_tf.models.discriminator import Discriminator
    from dmgan_tf.models.generator import Generator
    from dmgan_tf.models.image_encoder import ImageEncoder
    from dmgan_tf.models.text_encoder import TextEncoder

    sizes = dict(word_dim=6, channels=4, noise_dim=5, condition_dim=3, base_size=16, num_stages=2)
    networks = [
        Generator(**sizes, refinement="attention", num_residual_blocks=3),
        Generator(**sizes, writing_gate=False, memory_dim=6),
        Generator(**sizes, response_gate=False),
        Discriminator(64, channels=3, sentence_dim=6),
        TextEncoder(9, word_dim=6, embedding_dim=5, dropout=0.1),
        ImageEncoder(6, "small_cnn", channels=3, input_size=32),
    ]
    described = []
    for network in networks:
        network.build()
        config = network.get_config()
        for training_only in ("dtype", "name", "trainable"):
            config.pop(training_only, None)
        shapes = [list(weight.shape) for weight in network.weights]
        described.append({"class": type(network).__name__, "config": config, "shapes": shapes})
    path.write_text(json.dumps(described), encoding="utf-8")


def main():
    """Makes all of it, and puts it in place."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        draw_pictures(directory / "pictures")
        run(directory, "prepare_data", "--source=pictures", "--output=data", "--image_size=32")
        train(directory, "pretrain_damsm", DAMSM_FLAGS)
        train(directory, "train", DMGAN_FLAGS)
        save_half_precision(directory)
        for name in ("dmgan", "float16"):
            save_pictures(directory, name)
        for path in directory.rglob("step-*.npz"):
            compress(path)
        save_architectures(directory / "architectures.json")
        with tarfile.open(KEPT, "w:xz") as archive:
            archive.add(directory, ".")


if __name__ == "__main__":
    main()
