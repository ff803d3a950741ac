"""Captions and images that a source may hold, from listing to batch."""

import io
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import damaged_records as damaged
from PIL import Image

from dmgan_tf.data import pipeline, preparation, records, stored
from dmgan_tf.data.readable import scan_split
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.text.tokenizer import Tokenizer

TESTS = pathlib.Path(__file__).resolve().parents[1]
MOST_MEGABYTES = 250  # beyond those of TensorFlow itself; one decoded image takes 450 or 2,700

# The text, and the words that training sees of it.
CAPTIONS = {
    "Cyrillic": ("красная Птица!", "красная птица"),
    "Japanese": ("赤い鳥、小さい", "赤 い 鳥 小 さ い"),
    "Devanagari": ("लाल चिड़िया", "लाल चिड़िया"),
    "Arabic": ("طائر أحمر", "طائر أحمر"),
    "Greek": ("ὈΔΥΣΣΕΎΣ ΠΟΥΛΊ", "ὀδυσσεύς πουλί"),
    "emoji": ("🐦🔥 bird", "bird"),
    "control characters": ("a\0red\x01bird\x1b[31m\x7f\x85\r\n\vx", "a red bird 31m x"),
    "bidirectional marks": ("a \u202ered\u202c \u2066bird\u2069 \ufeffx\u200b", "a red bird x"),
    "noncharacters": ("red\uffff\ufffe\U0010ffff bird", "red bird"),
    "half a surrogate pair": ("red \ud83d bird", "red bird"),
    "one long word": ("x" * 100_000, "x" * 100_000),
}


def write_source(folder, captions):
    """One image for each caption or list of captions, and one plain one."""
    folder.mkdir()
    lines = []
    for number, text in enumerate([*captions, "plain"]):
        Image.new("RGB", (24, 24), "grey").save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return read_image_folder(folder, test_fraction=0.0)


def first_batch(directory, batch_size, max_words):
    info = records.load_dataset_info(directory)
    tokenizer = Tokenizer(info.vocabulary())
    dataset = pipeline.training_dataset(
        directory,
        tokenizer=tokenizer,
        image_sizes=(16,),
        batch_size=batch_size,
        num_steps=1,
        max_words=max_words,
        readable=scan_split(info, "train", 0.0),
    )
    (batch,) = dataset.as_numpy_iterator()
    return batch, info.vocabulary().words


def test_captions_of_any_script_and_of_odd_characters(tmp_path):
    splits = write_source(tmp_path / "source", [text for text, _ in CAPTIONS.values()])
    info = preparation.prepare(splits, tmp_path / "out", name="odd", image_size=16)
    assert info.skipped == {} and info.splits["train"].num_images == len(CAPTIONS) + 1
    batch, words = first_batch(tmp_path / "out", len(CAPTIONS) + 1, max_words=6)
    seen = {" ".join(words[token] for token in row if token) for row in batch["token_ids"]}
    assert seen == {expected for _, expected in CAPTIONS.values()} | {"plain"}
    assert len(stored.list_captions(tmp_path / "out", "train").captions) == len(CAPTIONS) + 1


def test_ten_thousand_words(tmp_path):
    splits = write_source(tmp_path / "source", [" ".join(f"w{n}" for n in range(10_000))] * 3)
    preparation.prepare(splits, tmp_path / "out", name="long", image_size=16)
    batch, words = first_batch(tmp_path / "out", 4, max_words=18)
    rows = [[int(words[token][1:]) for token in row] for row in batch["token_ids"] if row[-1]]
    assert len(rows) == 3 and all(row == sorted(set(row)) and max(row) > 18 for row in rows)


def test_captions_without_words_are_left_out_and_counted(tmp_path):
    captions = [["", "  ", "red"], [], [""], "\u202e\u202c", "!?"]
    splits = write_source(tmp_path / "source", captions)
    info = preparation.prepare(
        splits, tmp_path / "out", name="none", image_size=16, max_skipped_fraction=0.7
    )
    assert info.splits["train"].num_images == 2
    assert info.skipped == {
        "caption without a known word": 2,
        "empty caption": 3,
        "no caption": 4,
    }


def test_control_characters_of_a_name_reach_no_terminal(tmp_path, caplog):
    folder = tmp_path / "source"
    write_source(folder, ["red"] * 3)
    with open(folder / "metadata.jsonl", "a") as listing:
        listing.write('\n{"file_name": "\\u001b[31m\\n\\u009b.png", "text": "red"}')
    splits = read_image_folder(folder, test_fraction=0.0)
    preparation.prepare(splits, tmp_path / "out", name="x", image_size=16, max_skipped_fraction=0.3)
    assert caplog.messages == [r"Skipped \x1b[31m \x9b.png: missing image (no such file)"]
    lines = (tmp_path / "out/skipped.txt").read_text().splitlines()
    assert lines == ["\\x1b[31m \\x9b.png\tmissing image\tno such file"]


def png(side):
    """A black PNG, a thousandth of the size of its pixels."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    compressor = zlib.compressobj(1)
    rows = b"".join(compressor.compress(bytes(side + 1)) for _ in range(side))
    data = chunk(b"IDAT", rows + compressor.flush())
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def claiming(kind, position, layout, side=30_000):
    """A small image of a format, its header changed to a larger size."""
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    struct.pack_into(layout, content, position, side, side)
    return bytes(content)


def huge_images():
    return {
        "a.jpg": damaged.whole_jpeg(30_000),
        "aa.jpg": damaged.whole_jpeg(12_480),
        "b.png": png(30_000),
        "c.png": png(30_000)[:3000],
        "d.bmp": claiming("BMP", 18, "<ii"),
        "e.gif": claiming("GIF", 6, "<HH"),
    }


# Prints the megabytes that the rest took beyond those of what is imported first.
MEASURED = """
import sys
sys.path.insert(0, {tests!r})
from peak_memory import peak_megabytes
from dmgan_tf.data import pipeline, preparation, readable, records
from dmgan_tf.data.sources.image_folder import read_image_folder
import tensorflow as tf
tf.constant(1) + 1
before = peak_megabytes()
{body}
print(peak_megabytes() - before)
"""


BODY = """
splits = read_image_folder(sys.argv[1], test_fraction=0.0)
info = preparation.prepare(
    splits, sys.argv[2], name="x", image_size=16, max_skipped_fraction=0.9, num_workers=4
)
assert info.skipped == {"too many pixels": 6}, info.skipped

info = records.load_dataset_info(sys.argv[3])
assert readable.scan_split(info, "train", 0.1).num_skipped == 4
settings = {"image_sizes": (20,), "batch_size": 4, "num_steps": 10}
tokenizer = pipeline.Tokenizer(info.vocabulary())
dataset = pipeline.training_dataset(sys.argv[3], tokenizer=tokenizer, **settings)
try:
    with readable.reading(info):
        list(dataset)
except records.InputError as error:
    assert "image of another size" in str(error), error
else:
    raise AssertionError("not noticed")
"""


def test_what_claims_30000_pixels_squared_does_not_take_the_memory(tmp_path):
    """Of images to prepare, and of records that are scanned, or trained on without a scan."""
    folder = tmp_path / "source"
    write_source(folder, ["red"])
    with open(folder / "metadata.jsonl", "a") as listing:
        for name, content in huge_images().items():
            (folder / name).write_bytes(content)
            listing.write(f'\n{{"file_name": "{name}", "text": "red"}}')
    damaged.prepare_greys(tmp_path, tmp_path / "greys")
    for number, side in enumerate([30_000, 12_480, 12_480, 12_480]):  # TensorFlow takes the latter
        huge = damaged.example(damaged.whole_jpeg(side))
        damaged.replace_record(damaged.shard(tmp_path / "greys", number), 4, huge)
    result = subprocess.run(
        [sys.executable, "-c", MEASURED.format(tests=str(TESTS), body=BODY)]
        + [str(path) for path in (folder, tmp_path / "out", tmp_path / "greys")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < MOST_MEGABYTES
