"""The metadata files of AttnGAN and DM-GAN for the images of CUB and COCO.

Their archives contain, for each split, the names of its images and their classes as pickles of
Python 2, and the captions as one text file per image. `captions.pickle` contains the vocabulary and
the same captions again as ids.
"""

import collections
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence

from dmgan_tf.errors import InputError
from dmgan_tf.files import restricted_pickle
from dmgan_tf.files.failed_download import failed_download

FILE_NAMES = "filenames.pickle"
CLASS_IDS = "class_info.pickle"

UNREADABLE_BYTES = "\ufffd\ufffd"  # a character that an editor damaged in the captions of birds
_GET_THE_LIST = "Get the list again, from the metadata archive of AttnGAN and DM-GAN."


def usable_captions(texts: Iterable[str], count: int, where: str) -> tuple[str, ...]:
    """Returns the first `count` captions that have a word, as the release chooses them.

    Args:
        texts: The captions in order.
        count: How many captions an image has.
        where: The file or the image, for the message.

    Raises:
        InputError: If there are fewer.
    """
    # JSON may contain halves of surrogate pairs, which UTF-8 cannot encode.
    texts = (text.encode("utf-8", "replace").decode("utf-8") for text in texts)
    texts = (text.replace(UNREADABLE_BYTES, " ").strip() for text in texts)
    captions = tuple(text for text in texts if re.search(r"\w", text))[:count]
    if len(captions) < count:
        raise InputError(
            f"Expected {count} captions in {where}. Received: {len(captions)}. Get the captions "
            "again: the published ones are complete."
        )
    return captions


def read_caption_file(path: pathlib.Path, count: int) -> tuple[str, ...]:
    """Reads the captions of one image, one per line.

    Args:
        path: The text file.
        count: How many to return; the release does not use further ones.

    Raises:
        InputError: If there is no such file, it is not UTF-8, or it has fewer captions.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(
            f"Expected the captions of an image in {path}. Received: no such file. Unpack the "
            "archive's texts, whole, into the folder text/."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected captions in UTF-8 in {path}: {error}. Get the file again."
        ) from error
    return usable_captions(text.split("\n"), count, str(path))


def read_file_names(path: pathlib.Path) -> list[str]:
    """Reads the names of a split's images, without `.jpg`, in the release's order.

    Args:
        path: A `filenames.pickle`. No code in it is run.

    Raises:
        InputError: If there is no such file, or it contains something else.
    """
    names = load_pickle(path)
    if type(names) is not list or not names or not all(type(name) is str for name in names):
        raise InputError(
            f"Expected a list of image names in {path}. Received: {kind_of(names)}. {_GET_THE_LIST}"
        )
    check_names(names, path)
    return names


def check_names(names: Sequence[str], path: pathlib.Path) -> None:
    """Raises an `InputError` if a file lists an image outside the images' folder.

    Args:
        names: The names that the file lists.
        path: The file, for the message.
    """
    for name in names:
        outside = pathlib.PurePosixPath(name).is_absolute() or ".." in name.split("/")
        if outside or not name.isprintable():  # as neither zeros nor half a surrogate pair are
            raise InputError(
                f"Expected names of images, relative to their folder, in {path}. Received: "
                f"{name[:80]!r}. Get the file again."
            )


def read_class_ids(path: pathlib.Path, count: int) -> list[int]:
    """Reads the classes of a split's images, in the order of its `filenames.pickle`.

    Args:
        path: A `class_info.pickle`: integers, or NumPy's as the published file has them.
        count: The number of images.

    Raises:
        InputError: If it contains something else, or another number of classes.
    """
    try:
        ids = load_pickle(path, _NUMPY_CONSTRUCTORS)
        valid = type(ids) is list and all(type(item) is int and 0 <= item < 2**31 for item in ids)
        what = f"{len(ids)} classes" if valid else kind_of(ids)
    except restricted_pickle.RefusedError:  # its advice is for models
        valid, what = False, "other than plain numbers, such as an array"
    if not valid or len(ids) != count:
        raise InputError(
            f"Expected a list of class ids, one for each of the {count} images of "
            f"{path.with_name(FILE_NAMES)}, in {path}. Received: {what}. Take both files from one "
            f"archive, or remove {CLASS_IDS}: it is not needed."
        )
    return ids


def load_pickle(path: pathlib.Path, constructors: Mapping = {}) -> object:  # noqa: B006 (only read)
    """Reads a pickle of plain values and of objects of `constructors`; runs no code in it.

    Raises:
        InputError: If it cannot be read, is damaged, or contains anything else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error}. Unpack it again from the metadata archive of AttnGAN "
            "and DM-GAN."
        ) from error
    problem = failed_download(data[:512])
    if problem is not None:
        raise InputError(f"Expected a pickle of AttnGAN and DM-GAN in {path}. Received: {problem}.")
    return restricted_pickle.load(data, name=str(path), constructors=constructors)[0]


def kind_of(value: object) -> str:
    """Names a value by its type; a value from a file may be too deep to print."""
    if type(value) is list:
        kinds = sorted({type(item).__name__ for item in value})
        return f"a list of {len(value)} ({' and '.join(kinds) or 'nothing'})"
    return f"a value of type {type(value).__name__}"


def _numpy_dtype(code, *_) -> collections.OrderedDict:
    # The one type whose state, here the byte order, a pickle may set. It is little-endian.
    if type(code) is not str or not re.fullmatch("[iu][1248]", code):
        raise TypeError("expected the type of an integer")
    return collections.OrderedDict(code=code)


def _numpy_integer(dtype, data) -> int:
    if type(dtype) is not collections.OrderedDict or type(data) not in (str, bytes):
        raise TypeError("expected an integer of NumPy")
    length = int(dtype["code"][1])
    if type(data) is str:  # bytes of Python 2, read as Latin-1 if they are not UTF-8
        data = data.encode("latin-1" if len(data) == length else "utf-8")
    if len(data) != length:
        raise ValueError("expected as many bytes as the type has")
    return int.from_bytes(data, "little", signed=dtype["code"][0] == "i")


_NUMPY_CONSTRUCTORS = {
    ("numpy", "dtype"): _numpy_dtype,
    ("numpy.core.multiarray", "scalar"): _numpy_integer,
    ("numpy._core.multiarray", "scalar"): _numpy_integer,  # as NumPy 2 writes it
}
