"""The kinds of malformed input: how many of each, how one is made, and what reads it."""

import dataclasses
import pathlib
import random
import shutil
from collections.abc import Callable

from faults import mutations, readers
from faults.weights_mutations import damage_weights


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of input.

    Args:
        name: What a table calls it.
        count: How many cases the whole campaign has.
        parts: What of the originals a case has a copy of.
        damage: Changes one of the copied files; gets chance and the directory of the copies.
        read: What a user's input comes to; see `faults.readers`.
    """

    name: str
    count: int
    parts: tuple[str, ...]
    damage: Callable[[random.Random, pathlib.Path], None]
    read: Callable[[pathlib.Path, random.Random], None]

    def make(self, originals: pathlib.Path, place: pathlib.Path, random_state) -> None:
        """Copies the parts to `place` and damages them."""
        for part in self.parts:
            source = originals / part
            if source.is_dir():
                shutil.copytree(source, place / part)
            else:
                (place / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place / part)
        self.damage(random_state, place)


def _changed(*patterns: str, by=mutations.damage_bytes):
    """Damages the bytes of one of the files that the patterns find."""

    def damage(random_state, place):
        paths = sorted(path for pattern in patterns for path in place.glob(pattern))
        path = random_state.choice(paths)
        path.write_bytes(by(random_state, path.read_bytes()))

    return damage


def _changed_text(*patterns: str, by=mutations.damage_text):
    return _changed(*patterns, by=lambda chance, data: by(chance, data.decode("utf-8")))


def _changed_record(random_state, place):
    """Damages one shard; or takes it away, empties it, or puts another in its place."""
    paths = sorted((place / "data").glob("*.tfrecord"))
    path = random_state.choice(paths)
    action = random_state.randrange(8)
    if action == 0:
        path.unlink()
    elif action == 1:
        path.write_bytes(b"")
    elif action == 2:
        shutil.copy(random_state.choice(paths + [place / "data/dataset.json"]), place / "copy")
        (place / "copy").replace(path)
    else:
        path.write_bytes(mutations.damage_bytes(random_state, path.read_bytes()))


def _changed_layout(random_state, place):
    """Damages a text, list or annotation of CUB or COCO, or takes a file or folder away."""
    suffixes = (".txt", ".pickle", ".json", ".jpg")
    paths = sorted(path for path in place.rglob("*") if path.suffix in suffixes)
    path = random_state.choice(paths)
    if random_state.random() < 0.2:
        path = random_state.choice((path, path.parent))
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif path.suffix == ".json":
        path.write_bytes(mutations.damage_json(random_state, path.read_text()))
    elif path.suffix == ".txt":
        path.write_bytes(mutations.damage_text(random_state, path.read_text(encoding="utf-8")))
    else:
        path.write_bytes(mutations.damage_bytes(random_state, path.read_bytes()))


def _changed_lines(random_state, place):
    """Damages one line of metadata.jsonl as JSON, or the file as text."""
    path = place / "folder" / "metadata.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")
    number = random_state.randrange(len(lines))
    line = mutations.damage_json(random_state, lines[number])
    encoded = [text.encode() for text in lines]
    encoded[number] = line
    path.write_bytes(b"\n".join(encoded))


def _changed_weights(random_state, place):
    path = random_state.choice(sorted((place / "model").glob("*.weights.h5")))
    damage_weights(random_state, path, place / "secret")


def _changed_pytorch(name):
    def damage(random_state, place):
        for path in (place / "pytorch").iterdir():
            if path.name != name:
                path.unlink()
        path = place / "pytorch" / name
        path.write_bytes(mutations.damage_bytes(random_state, path.read_bytes()))

    return damage


def _changed_captions(random_state, place):
    """Captions of any script, empty, of ten thousand words, with control characters."""
    path = place / "captions.txt"
    text = path.read_text(encoding="utf-8")
    words = [
        "red",
        "disc",
        "\u7ea2",
        "\u0645\u0631\u0628\u0639",
        "\0",
        "\x1b[1m",
        "\u202e",
        "/",
        "..",
    ]
    action = random_state.randrange(4)
    if action == 0:
        count = random_state.choice((0, 1, 300, 990, 10_000))
        text += "\nred " + " ".join(random_state.choice(words) for _ in range(count))
    elif action == 1:
        text += "\nred" + random_state.choice(words) * random_state.choice((1, 500, 5000))
    elif action == 2:
        text = "\n".join("disc " + random_state.choice(words) for _ in range(5))
    else:
        path.write_bytes(mutations.damage_text(random_state, text))
        return
    path.write_text(text, encoding="utf-8")


_FOLDER = ("folder",)
KINDS = (
    Kind("TFRecords", 110, ("data",), _changed_record, readers.read_data),
    Kind(
        "dataset.json",
        50,
        ("data",),
        _changed_text("data/dataset.json", by=mutations.damage_json),
        readers.read_data,
    ),
    Kind(
        "vocabulary.txt",
        50,
        ("model",),
        _changed_text("model/vocabulary.txt"),
        readers.read_vocabulary_file,
    ),
    Kind(
        "pictures to prepare",
        110,
        _FOLDER,
        _changed("folder/*.png", "folder/*.jpg", by=mutations.damage_picture),
        readers.prepare("folder"),
    ),
    Kind(
        "pictures to score",
        50,
        ("pictures",),
        _changed("pictures/*.png", by=mutations.damage_picture),
        readers.read_pictures,
    ),
    Kind("metadata.jsonl", 70, _FOLDER, _changed_lines, readers.prepare("folder")),
    Kind("CUB folders", 40, ("birds",), _changed_layout, readers.prepare("birds")),
    Kind("COCO folders", 40, ("coco",), _changed_layout, readers.prepare("coco")),
    Kind(
        "captions.pickle",
        50,
        ("pytorch/captions.pickle",),
        _changed("pytorch/captions.pickle"),
        readers.read_captions_pickle,
    ),
    Kind(
        ".pth, old format",
        40,
        ("pytorch",),
        _changed_pytorch("text_encoder.pth"),
        readers.read_pytorch,
    ),
    Kind(".pth, zip format", 50, ("pytorch",), _changed_pytorch("zip.pth"), readers.read_pytorch),
    Kind("TF1 checkpoints", 30, ("slim",), _changed("slim/*"), readers.read_slim),
    Kind(
        "model config.json",
        70,
        ("model",),
        _changed_text("model/config.json", by=mutations.damage_json),
        readers.read_model,
    ),
    Kind("model weights (.h5)", 90, ("model", "secret"), _changed_weights, readers.read_model),
    Kind(
        "run checkpoints (.npz)",
        30,
        ("checkpoints",),
        _changed("checkpoints/*.npz"),
        readers.read_checkpoint,
    ),
    Kind(
        "statistics (.npz)",
        30,
        ("statistics.npz",),
        _changed("statistics.npz"),
        readers.read_statistics,
    ),
    Kind("partial results", 10, ("partial.npz",), _changed("partial.npz"), readers.read_partial),
    Kind("flag files", 40, ("flags.txt", "model"), _changed_text("flags.txt"), readers.read_flags),
    Kind("caption files", 40, ("captions.txt", "model"), _changed_captions, readers.read_captions),
)
