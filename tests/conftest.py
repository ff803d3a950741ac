"""Settings that must stand before any test imports TensorFlow, and what several tests share."""

import dataclasses
import json
import os
import sys

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up chatter hides a failing test
os.environ.setdefault(
    "CUDA_VISIBLE_DEVICES", "-1"
)  # tests compare numbers: the same device everywhere
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the commands have it everywhere
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker is a process of its own on a core of its own; left alone, every one of them
    # starts a thread for every core.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import tensorflow as tf  # noqa: E402 - it reads the environment above

# Two logical CPUs, on which `MirroredStrategy` can be tested without any GPU. They can be asked for
# only before TensorFlow computes anything, as test modules do while they are collected.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_addoption(parser):
    parser.addoption(
        "--differences",
        action="store_true",
        help="print the largest difference of each part from the published numbers",
    )


def pytest_terminal_summary(terminalreporter):
    if not terminalreporter.config.getoption("--differences"):
        return
    from differences import table

    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    recorded = [
        value
        for report in sorted(reports, key=lambda report: report.nodeid)
        for name, value in report.user_properties
        if name == "difference"
    ]
    terminalreporter.section("differences from the published numbers")
    for line in table(recorded):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def two_replicas():
    """A `MirroredStrategy` of two replicas."""
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(devices[:2])


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """Discs and squares in three colours, 14 to train on and 6 to test, 40 pixels each."""
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("images")
    for split, count in (("train", 14), ("test", 6)):
        (folder / split).mkdir()
        lines = []
        for number in range(count):
            colour, shape = ("red", "green", "blue")[number % 3], ("disc", "square")[number % 2]
            image = Image.new("RGB", (40, 40), "white")
            pen = ImageDraw.Draw(image)
            draw = pen.ellipse if shape == "disc" else pen.rectangle
            draw((6 + number % 4, 6, 33, 33), fill=colour)
            image.save(folder / split / f"{number}.png")
            texts = [f"a {colour} {shape}", f"the {shape} is {colour}"]
            line = {"file_name": f"{number}.png", "text": texts, "class_id": number % 6}
            lines.append(json.dumps(line))
        (folder / split / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def prepared_data(image_folder, tmp_path_factory):
    """The data directory of `image_folder`, for images of up to 32 pixels."""
    from dmgan_tf.data.preparation import prepare
    from dmgan_tf.data.sources.image_folder import read_image_folder

    output = tmp_path_factory.mktemp("prepared") / "data"
    prepare(read_image_folder(image_folder), output, name="shapes", image_size=32)
    return output


@pytest.fixture(scope="session")
def validated_data(image_folder, prepared_data, tmp_path_factory):
    """Two of six classes held out for validation; the records of the test split are gone."""
    from dmgan_tf.data.preparation import prepare
    from dmgan_tf.data.sources.image_folder import read_image_folder
    from dmgan_tf.data.splits import hold_out_validation
    from dmgan_tf.text.vocabulary import Vocabulary

    directory = tmp_path_factory.mktemp("validated") / "data"
    splits = hold_out_validation(read_image_folder(image_folder), 1 / 3, image_folder)
    vocabulary = Vocabulary.load(prepared_data / "vocabulary.txt")
    prepare(splits, directory, name="shapes", image_size=32, vocabulary=vocabulary)
    for shard in directory.glob("test-*"):
        shard.unlink()
    return directory


@pytest.fixture(scope="session")
def damsm_directory(prepared_data, tmp_path_factory):
    """The model directory of an untrained DAMSM with the vocabulary of `prepared_data`."""
    from tiny_training import save_damsm

    from dmgan_tf.text.vocabulary import Vocabulary

    directory = tmp_path_factory.mktemp("damsm") / "model"
    save_damsm(directory, Vocabulary.load(prepared_data / "vocabulary.txt"))
    return directory


@pytest.fixture
def traced_once(monkeypatch):
    """Lets the runs of a test share one traced DM-GAN, with weights as at first for each."""
    from tiny_training import build_dmgan_once

    from dmgan_tf.training import dmgan_run

    monkeypatch.setattr(dmgan_run, "build_dmgan", build_dmgan_once)


@pytest.fixture(scope="session")
def finished_run(prepared_data, damsm_directory, tmp_path_factory):
    """The run directory of two epochs, of three steps each, of `tiny_training.CONFIG`."""
    from tiny_training import CONFIG, build_dmgan_once

    from dmgan_tf.training import dmgan_run

    run = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dmgan_run, "build_dmgan", build_dmgan_once)
        dmgan_run.train_dmgan(CONFIG, prepared_data, damsm_directory, run, flags_text="--epochs=2")
    return run


@pytest.fixture(scope="session")
def finished_pretraining(prepared_data, tmp_path_factory):
    """The run directory and the result of two epochs of `tiny_training.PRETRAINING`."""
    from tiny_training import PRETRAINING

    from dmgan_tf.training.damsm_run import pretrain_damsm

    run = tmp_path_factory.mktemp("pretraining") / "run"
    return run, pretrain_damsm(PRETRAINING, prepared_data, run, flags_text="--epochs=2")


@pytest.fixture(scope="session")
def vivid_model(prepared_data, tmp_path_factory):
    """A model directory as `finished_run` has one, untrained, and drawing more than grey."""
    import keras
    from tiny_training import CONFIG, make_encoders

    from dmgan_tf import DMGANTextToImage
    from dmgan_tf.models.building import build_generator
    from dmgan_tf.text.vocabulary import Vocabulary

    encoders = make_encoders(Vocabulary.load(prepared_data / "vocabulary.txt"))
    keras.utils.set_random_seed(3)
    model = DMGANTextToImage(
        encoders.vocabulary,
        encoders.text_encoder,
        build_generator(CONFIG, word_dim=8),
        image_encoder=encoders.image_encoder,
        extra={"training": dataclasses.asdict(CONFIG)},
    )
    for weight in model.generator.weights:
        if weight.shape[-1] == 3:  # the convolutions that end in colours
            weight.assign(60 * weight)
    directory = tmp_path_factory.mktemp("vivid") / "model"
    model.save_to_preset(directory)
    return directory


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Runs `python -m dmgan_tf.NAME` in this process: `(exit status, stdout, stderr)`.

    In place of the name it takes the module of a script that is made like a command.
    """
    from commands import command_module, defined_flags

    from dmgan_tf import command

    def run(name, *arguments):
        module = command_module(name) if isinstance(name, str) else name
        monkeypatch.setattr(sys, "argv", [str(name), *map(str, arguments)])
        capsys.readouterr()
        with defined_flags(module), pytest.raises(SystemExit) as exited:
            command.run(module.main)
        return exited.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def error_line(run_command):
    """Runs a command that must fail by one line, and gives that line."""

    def run(name, *arguments):
        status, _, stderr = run_command(name, *arguments)
        lines = [line for line in stderr.splitlines() if line.startswith("error:")]
        assert status == 2 and len(lines) == 1 and "Traceback" not in stderr, stderr
        return lines[0]

    return run
