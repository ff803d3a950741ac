"""What reads each kind of input: the command or the function that a user's file comes to.

A reader returns if the input works, and raises `InputError` if it is refused; whatever else it
does is a fault. Of a command, `InputError` stands for exit status 2 and one line of error.
"""

import contextlib
import io
import pathlib
import random
import shutil
import sys

from commands import command_module, defined_flags
from faults.originals import checkpoint_variables
from PIL import Image

from dmgan_tf import command
from dmgan_tf.convert import slim_checkpoint
from dmgan_tf.convert.caption_pickle import read_vocabulary
from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.release import read_release
from dmgan_tf.data.pipeline import training_dataset
from dmgan_tf.data.readable import reading, scan_split
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.stored import list_captions, stored_images
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.folder_images import FolderImages
from dmgan_tf.evaluate.partial import PartialResult
from dmgan_tf.evaluate.statistics_file import load_statistics
from dmgan_tf.metrics.frechet import FeatureStatistics
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.sample import gather_captions, write_samples
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.session.checkpoints import CheckpointStore

_MOST_SKIPPED = 0.7


def run_command(name: str, *arguments: str) -> None:
    """Runs `python -m dmgan_tf.NAME` in this process.

    Raises:
        InputError: If it ended with status 2 and one line; the line is its message.
        AssertionError: If it ended in any other way than that or status 0.
    """
    module = command_module(name)
    argv = sys.argv
    sys.argv = [name, *map(str, arguments)]
    output, status = io.StringIO(), 0
    try:
        with (
            defined_flags(module),
            contextlib.redirect_stderr(output),
            contextlib.redirect_stdout(output),
        ):
            command.run(module.main)
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.argv = argv
    text = output.getvalue()
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    if status == 2 and len(errors) == 1 and "Traceback" not in text:
        raise InputError(errors[0])
    assert status == 0, f"exit status {status}: {text[-2000:]}"


def read_data(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads a prepared data set as training and evaluation do."""
    info = load_dataset_info(place / "data")
    vocabulary = info.vocabulary()
    if random_state.random() < 0.3:
        list_captions(place / "data", "test")
        with reading(info):
            for _ in stored_images(
                place / "data", split="test", size=16, crop=True, batch_size=2
            ).as_numpy_iterator():
                pass
        return
    readable = scan_split(info, "train", _MOST_SKIPPED)
    dataset = training_dataset(
        place / "data",
        tokenizer=Tokenizer(vocabulary),
        image_sizes=[16],
        batch_size=2,
        num_steps=4,
        readable=readable,
    )
    with reading(info, readable):
        for batch in dataset.as_numpy_iterator():
            assert abs(batch["images"][0]).max() <= 1


def read_vocabulary_file(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads a vocabulary by itself, or as a model's."""
    if random_state.random() < 0.5:
        vocabulary = Vocabulary.load(place / "model" / "vocabulary.txt")
        vocabulary.save(place / "out" / "vocabulary.txt")
        assert Vocabulary.load(place / "out" / "vocabulary.txt") == vocabulary
    else:
        load_model_directory(place / "model")


def prepare(source: str):
    """A reader that prepares the source of that name."""

    def read(place: pathlib.Path, random_state: random.Random) -> None:
        dataset = {"birds": "cub", "coco": "coco"}.get(source, "image_folder")
        small = random_state.choice(("error", "skip", "upscale"))
        run_command(
            "prepare_data",
            f"--dataset={dataset}",
            f"--source={place / source}",
            f"--output={place / 'out'}",
            "--image_size=16",
            f"--small_images={small}",
        )
        list_captions(place / "out", "train")

    return read


def read_model(place: pathlib.Path, random_state: random.Random) -> None:
    """Loads a model and draws a picture."""
    model = DMGANTextToImage.from_preset(place / "model")
    assert model.generate(["a red disc"], seed=0).shape[0] == 1


def read_pytorch(place: pathlib.Path, random_state: random.Random) -> None:
    """Converts a text encoder or a discriminator."""
    (path,) = (place / "pytorch").glob("*.pth")
    if random_state.random() < 0.3:
        flag = "--discriminators" if path.name == "netD0.pth" else "--text_encoder"
        run_command("convert", f"{flag}={path}", f"--output={place / 'out'}")
        load_model_directory(place / "out")
    elif path.name == "netD0.pth":
        read_release(discriminators=[path])
    else:
        read_release(text_encoder=path)


def read_captions_pickle(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads the release's vocabulary."""
    read_vocabulary(place / "pytorch" / "captions.pickle")


def read_slim(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads a TensorFlow 1 checkpoint, by its prefix or its directory, or its variables alone."""
    chance = random_state.random()
    if chance < 0.2:
        slim_checkpoint.load_slim_checkpoint(place / "slim" / "model.ckpt")
    elif chance < 0.4:
        load_inception(place / "slim")
    else:  # the whole network takes 95 MB, so a case has some of its variables only
        for tensor in slim_checkpoint._read_checkpoint(place / "slim" / "model.ckpt").values():
            assert tensor.read().shape == tensor.shape


def read_checkpoint(place: pathlib.Path, random_state: random.Random) -> None:
    """Goes on from the checkpoints of a run."""
    variables = checkpoint_variables()
    metadata = CheckpointStore(place / "checkpoints").restore(variables)
    assert metadata["step"] >= 0


def read_statistics(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads what a score is compared with."""
    load_statistics(place / "statistics.npz", 4)


def read_partial(place: pathlib.Path, random_state: random.Random) -> None:
    """Goes on from an interrupted evaluation; a damaged file means to begin again."""
    statistics = FeatureStatistics(4)
    done = PartialResult(place / "partial.npz", {"seed": 0}).restore({"fid": statistics})
    assert done in (0, 50) and statistics.count == done


def read_flags(place: pathlib.Path, random_state: random.Random) -> None:
    """Gives a command a flag file; but for `sample`, without what it would need to begin."""
    others = ("train", "evaluate", "pretrain_damsm", "convert")
    name = random_state.choice(("sample", *others) if random_state.random() < 0.5 else ("sample",))
    nowhere = place / "nowhere"
    required = {
        "sample": [f"--model={place / 'model'}"],
        "train": [f"--data={nowhere}", f"--damsm={nowhere}", f"--run={place / 'out'}"],
        "evaluate": [f"--model={nowhere}", f"--data={nowhere}"],
        "pretrain_damsm": [f"--data={nowhere}", f"--run={place / 'out'}"],
        "convert": [f"--text_encoder={nowhere}"],
    }[name]
    if name in ("sample", "convert"):
        required.append(f"--output={place / 'out'}")
    run_command(name, f"--flagfile={place / 'flags.txt'}", *required)


def read_captions(place: pathlib.Path, random_state: random.Random) -> None:
    """Draws the captions of a file, and reads back what was written beside the pictures."""
    model = _drawing_model(place / "model")
    captions = gather_captions([], str(place / "captions.txt"))
    output = place / "out"
    try:
        write_samples(model, captions, output, num_samples=1, model_name="tiny")
    except InputError:
        assert not output.exists()
        raise
    pictures = sorted(path for path in output.iterdir() if path.name != "sheet.png")
    assert len(pictures) == len(captions)
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.text["caption"] in captions


_models = {}


def _drawing_model(directory):
    """The undamaged model, loaded once."""
    if "sample" not in _models:
        _models["sample"] = DMGANTextToImage.from_preset(directory)
    return _models["sample"]


def read_pictures(place: pathlib.Path, random_state: random.Random) -> None:
    """Reads a folder of pictures as `evaluate --images` does."""
    images = FolderImages(place / "pictures")
    images.description()
    for batch in images.batches(0, 3):
        assert batch.dtype == "uint8" and batch.ndim == 4


def clear_output(place: pathlib.Path) -> None:
    """Makes room for the next case."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
