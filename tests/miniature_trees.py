"""CUB-200-2011 and MS-COCO 2014 in miniature, in the layouts that people have on disk."""

import json

import numpy as np
from PIL import Image

BIRDS = {
    "train": [
        "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18",
        "001.Black_footed_Albatross/Black_Footed_Albatross_0009_34",
        "003.Sooty_Albatross/Sooty_Albatross_0001_1071",
        "200.Common_Yellowthroat/Common_Yellowthroat_0003_190521",
    ],
    "test": [
        "002.Laysan_Albatross/Laysan_Albatross_0002_1027",
        "199.Winter_Wren/Winter_Wren_0079_189549",
    ],
}
BOXES = ["20.0 14.0 30.0 20.0", "2.0 3.0 77.0 55.0", "40.5 30.9 24.3 26.0"]
COLOURS = ["red", "grey", "blue", "white", "black", "yellow", "brown"]


# A bird's captions, and the words that the release's code makes of them, spelled out by hand: lower
# case, runs of letters, digits and underscores, and of these what is ASCII. None where it takes a
# line for no caption; one of accents alone is a caption, of no words.
ODD_BIRD = "003.Sooty_Albatross/Sooty_Albatross_0001_1071"
ODD_CAPTIONS = [
    ("This bird's beak is SHORT.", ["this", "bird", "s", "beak", "is", "short"]),
    ("", None),
    ("a white\ufffd\ufffdbellied bird", ["a", "white", "bellied", "bird"]),
    ("its wings\ufffd\ufffd tips", ["its", "wings", "tips"]),
    ("a caf\xe9-au-lait b\xefrd", ["a", "caf", "au", "lait", "brd"]),
    (" - ", None),
    ("\xe9\xe8 \xfc!", []),
    ("\xc9 grey bird", ["grey", "bird"]),
    ("a 2nd snake_case bird", ["a", "2nd", "snake_case", "bird"]),
    ("o'clock", ["o", "clock"]),
    ("half\xbd a beak", ["half", "a", "beak"]),
    ("A BIRD.", ["a", "bird"]),
    ("of the eleventh nothing is read", None),
]


def python2_pickle(value, protocol):
    """What Python 2.7's `pickle.dump` makes of lists, integers and byte strings.

    NumPy's integers as in the published class_info.pickle; `unicode` where a string is not ASCII.
    """
    return (_text_pickle(value) if protocol == 0 else b"\x80\x02" + _binary_pickle(value)) + b"."


def _text_pickle(value):
    if isinstance(value, dict):
        items = (_text_pickle(key) + _text_pickle(item) + b"s" for key, item in value.items())
        return b"(d" + b"".join(items)
    if isinstance(value, (list, tuple)):
        return b"(l" + b"".join(_text_pickle(item) + b"a" for item in value)
    if isinstance(value, np.int64):
        dtype = b"cnumpy\ndtype\n(S'i8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        data = repr(value.tobytes())[1:].encode()  # without the b before the quotes
        return b"cnumpy.core.multiarray\nscalar\n(" + dtype + b"S" + data + b"\ntR"
    if isinstance(value, int):
        return b"I%d\n" % value
    if value.isascii():
        return b"S" + repr(value).encode() + b"\n"
    return b"V" + value.encode("raw-unicode-escape") + b"\n"


def _binary_pickle(value):
    if isinstance(value, dict):
        items = (_binary_pickle(key) + _binary_pickle(item) for key, item in value.items())
        return b"}(" + b"".join(items) + b"u"
    if isinstance(value, (list, tuple)):
        return b"](" + b"".join(_binary_pickle(item) for item in value) + b"e"
    if isinstance(value, np.int64):
        dtype = b"cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ"
        dtype += b"\xff\xff\xff\xffK\x00tb"
        return b"cnumpy.core.multiarray\nscalar\n" + dtype + b"U\x08" + value.tobytes() + b"\x86R"
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    if value.isascii():
        return b"U" + bytes([len(value)]) + value.encode()
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def write_pickle(path, value, protocol=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2_pickle(value, protocol))


def bird_captions(number):
    """Ten captions of a bird, and what the published files also have: odd bytes, empty lines."""
    if number == 3:
        return [text for text, _ in ODD_CAPTIONS]
    colour = COLOURS[number % len(COLOURS)]
    lines = [f"This bird is {colour}, it's beak {COLOURS[n % 7]}." for n in range(8)]
    lines.insert(3, "")
    lines.insert(5, " - ")
    return [*lines, f"a {colour} bird\ufffd\ufffdwith a caf\xe9 au lait_{number} belly", "A BIRD."]


def bird_words(number):
    """The words of the ten captions, as the release's code makes them."""
    if number == 3:
        return [words for _, words in ODD_CAPTIONS if words is not None]
    colour = COLOURS[number % len(COLOURS)]
    words = [["this", "bird", "is", colour, "it", "s", "beak", COLOURS[n % 7]] for n in range(8)]
    last = ["a", colour, "bird", "with", "a", "caf", "au", f"lait_{number}", "belly"]
    return [*words, last, ["a", "bird"]]


def write_picture(path, number, size=(80, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([rows * 4, columns * 3, 0 * rows + 40 * number], -1) % 256
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)


def make_birds(folder, *, beside=False, protocol=0, captions_pickle=True, class_info=True):
    """Makes `folder`, the archive birds/ with CUB_200_2011/ in it.

    Args:
        folder: Where.
        beside: Whether text/, train/ and test/ lie in CUB_200_2011/, and nothing beside it.
        protocol: Of the pickles.
        captions_pickle: Whether there is one.
        class_info: Whether there are classes.
    """
    images = folder / "CUB_200_2011"
    metadata = images if beside else folder
    names = sorted(BIRDS["train"] + BIRDS["test"])
    for number, name in enumerate(names):
        write_picture(images / "images" / f"{name}.jpg", number)
        text = metadata / "text" / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_bytes("\n".join(bird_captions(number)).encode() + b"\n")
    lines = [f"{number} {name}.jpg\n" for number, name in enumerate(names, start=1)]
    (images / "images.txt").write_text("".join(lines))
    lines = [f"{number} {BOXES[number % 3]}\n" for number in range(1, len(names) + 1)]
    (images / "bounding_boxes.txt").write_text("".join(lines))
    for split, listed in BIRDS.items():
        write_pickle(metadata / split / "filenames.pickle", listed, protocol)
        if class_info:
            classes = [np.int64(name[:3]) for name in listed]
            write_pickle(metadata / split / "class_info.pickle", classes, protocol)
    if captions_pickle:
        words = {
            split: [words for name in listed for words in bird_words(names.index(name))]
            for split, listed in BIRDS.items()
        }
        write_captions_pickle(metadata / "captions.pickle", words)
    return folder


def write_captions_pickle(path, captions, protocol=2):
    """Writes the words of all captions of each split as the release does."""
    words = {word for split in captions.values() for caption in split for word in caption}
    word_of = dict(enumerate(["<end>", *sorted(words)]))
    id_of = {word: index for index, word in word_of.items()}
    ids = [
        [[id_of[word] for word in caption] for caption in captions[split]]
        for split in ("train", "test")
    ]
    write_pickle(path, [*ids, word_of, id_of], protocol)


COCO_NUMBERS = {"train2014": [9, 25, 30, 34, 36], "val2014": [42, 73, 74]}


def coco_name(part, number):
    return f"COCO_{part}_{number:012d}"


def coco_captions(number, part="train2014"):
    """Seven captions; the first five count."""
    lines = [f"A {COLOURS[(number + n) % 7]} bus near caf\xe9 no. {n}." for n in range(6)]
    return ["  ", *lines, f"unused words {part}"]


def coco_words(number):
    """The words of the five captions that count, as the release's code makes them."""
    return [["a", COLOURS[(number + n) % 7], "bus", "near", "caf", "no", str(n)] for n in range(5)]


def make_coco(
    folder, *, images="", metadata=False, texts="text", captions_pickle=False, protocol=0
):
    """Makes `folder` with COCO's annotations, or with the lists of the metadata archive.

    Args:
        folder: Where.
        images: Where the images lie: `""` for train2014/ and val2014/, `"images/"` for these in
            images/, `None` for all in images/.
        metadata: Whether to write texts, train/ and test/ instead of annotations/.
        texts: The folder of the texts; `{part}` becomes train2014 and val2014. The archive's
            train2014-text.zip and val2014-text.zip unpack to "{part}".
        captions_pickle: Whether there is one.
        protocol: Of the pickles.
    """
    for part, numbers in COCO_NUMBERS.items():
        place = folder / "images" if images is None else folder / f"{images}{part}"
        for number in numbers:
            size = (64 + number, 50)
            write_picture(place / f"{coco_name(part, number)}.jpg", number, size)
        if metadata:
            _write_coco_metadata(folder, part, numbers, texts, protocol)
        else:
            _write_annotations(folder, part, numbers)
    if captions_pickle:
        captions = {
            split: [words for number in COCO_NUMBERS[part] for words in coco_words(number)]
            for split, part in (("train", "train2014"), ("test", "val2014"))
        }
        write_captions_pickle(folder / "captions.pickle", captions)
    return folder


def _write_annotations(folder, part, numbers):
    content = {
        "info": {"year": 2014},
        "images": [
            {"id": number, "file_name": f"{coco_name(part, number)}.jpg", "license": 1}
            for number in numbers
        ],
        "annotations": [  # not grouped by image, as in the published files
            {"id": 1000 * place + number, "image_id": number, "caption": text}
            for place, texts in enumerate(
                zip(*(coco_captions(number, part) for number in numbers), strict=True)
            )
            for number, text in zip(numbers, texts, strict=True)
        ],
    }
    path = folder / f"annotations/captions_{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _write_coco_metadata(folder, part, numbers, texts, protocol):
    place = folder / texts.format(part=part)
    place.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        text = "\n".join(coco_captions(number, part))
        (place / f"{coco_name(part, number)}.txt").write_bytes(text.encode())
    split = {"train2014": "train", "val2014": "test"}[part]
    names = [coco_name(part, number) for number in numbers]
    write_pickle(folder / split / "filenames.pickle", names, protocol)
