"""Ways to damage bytes, JSON, text and pictures, each a function of a random generator."""

import io
import json
import random
import struct
import zlib

from PIL import Image

# What a value of JSON may become.
_ODD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", " ", "x" * 100_000, "\0", "\ud800", "a\nb", "\x1b[31m"),
    *("../../etc/passwd", "/dev/zero", "/", ".", "nan", "\u202e\u0661", [], {}, [[]], [None]),
    {"a": {}},
)
_ODD_LINES = (
    *("", " ", "\0", "\ufeff", "\u2028", "\r", "<pad>", "<end>", "\x1b[2J", "x" * 100_000),
    *("\ud800", "a b", "\t", "--", "--flagfile=", "--seed=", "{", "[1]", "null", '"'),
)
_ODD_CHARACTERS = "\0\n\r\t\x1b\x7f\x85\u200b\u2028\u202e\ufeff\ufffd\u0130\u0e01\u4e00\U0001f426"


def damage_bytes(random_state: random.Random, data: bytes) -> bytes:
    """Flips, zeroes, cuts off, repeats, swaps, moves or puts in bytes, once to three times."""
    for _ in range(random_state.randint(1, 3)):
        data = random_state.choice(_BYTE_DAMAGES)(random_state, data)
    return data


def _flip(random_state, data):
    changed = bytearray(data)
    for _ in range(random_state.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[random_state.randrange(len(changed))] ^= 1 << random_state.randrange(8)
    return bytes(changed)


def _span(random_state, data):
    start = random_state.randrange(len(data) + 1)
    length = random_state.choice((1, 4, 8, 64, 512, len(data)))
    return start, min(start + length, len(data))


def _zero(random_state, data):
    start, stop = _span(random_state, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def _fill(random_state, data):
    start, stop = _span(random_state, data)
    return data[:start] + b"\xff" * (stop - start) + data[stop:]


def _cut_off(random_state, data):
    return data[: random_state.randrange(len(data) + 1)]


def _repeat(random_state, data):
    start, stop = _span(random_state, data)
    return data[:stop] + data[start:stop] * random_state.choice((1, 2, 50)) + data[stop:]


def _take_out(random_state, data):
    start, stop = _span(random_state, data)
    return data[:start] + data[stop:]


def _swap(random_state, data):
    start, middle, stop = sorted(random_state.randrange(len(data) + 1) for _ in range(3))
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


def _large_number(random_state, data):
    position = random_state.randrange(len(data) + 1)
    number = random_state.choice((2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, 2**40))
    return data[:position] + number.to_bytes(8, "little") + data[position + 8 :]


def _random_bytes(random_state, data):
    return random_state.randbytes(random_state.choice((0, 1, 10, 1000)))


_BYTE_DAMAGES = (
    *(_flip, _flip, _flip, _zero, _fill, _cut_off, _cut_off, _repeat, _take_out, _swap),
    *(_large_number, _random_bytes),
)


def damage_text(random_state: random.Random, text: str) -> bytes:
    """Changes lines or characters of a text, or its encoding, or its bytes."""
    choice = random_state.randrange(6)
    if choice == 0:
        return damage_bytes(random_state, text.encode())
    if choice == 1:
        encoding = random_state.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7"))
        return text.encode(encoding)
    lines = text.split("\n")
    position = random_state.randrange(len(lines))
    if choice == 2:
        lines[position] = random_state.choice(_ODD_LINES)
    elif choice == 3:
        lines[position:position] = random_state.choice(
            ([lines[position]], lines, [""] * 1000, [random_state.choice(_ODD_LINES)])
        )
    elif choice == 4:
        del lines[position : position + random_state.choice((1, 2, len(lines)))]
    else:
        middle = random_state.randrange(len(lines[position]) + 1)
        odd = random_state.choice(_ODD_CHARACTERS)
        lines[position] = lines[position][:middle] + odd + lines[position][middle:]
    return random_state.choice(("\n", "\n", "\r\n")).join(lines).encode("utf-8", "surrogatepass")


def damage_json(random_state: random.Random, text: str) -> bytes:
    """Replaces, removes, renames or moves a value somewhere in JSON, or damages its text."""
    if random_state.random() < 0.3:
        return damage_text(random_state, text)
    if random_state.random() < 0.05:
        return b"[" * 200_000 + text.encode()
    content = json.loads(text)
    for _ in range(random_state.randint(1, 2)):
        places = list(_places(content))
        if not places:
            break
        holder, key = random_state.choice(places)
        action = random_state.randrange(4)
        if action == 0 or action == 1:
            holder[key] = random_state.choice(_ODD_VALUES)
        elif action == 2:
            del holder[key]
        elif isinstance(holder, dict):
            holder[random_state.choice(("", "x", "name", "dtype", "\ud800"))] = holder.pop(key)
        else:
            holder.append(holder[key])
    return json.dumps(content).encode()


def _places(value):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if not isinstance(value, (dict, list)):
        return
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def damage_picture(random_state: random.Random, data: bytes) -> bytes:
    """Damages the bytes of a picture, or puts an odd one in its place."""
    if random_state.random() < 0.6:
        return damage_bytes(random_state, data)
    return random_state.choice(_ODD_PICTURES)(random_state)


def _encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _huge_png(random_state):
    """A sound header of 900 million pixels, and hardly any data."""
    side = random_state.choice((30_000, 2**31 - 1, 12_000))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _huge_jpeg(random_state):
    """A JPEG whose frame header claims up to 65,535 pixels a side."""
    data = bytearray(_encoded(Image.new("RGB", (40, 40)), "JPEG"))
    frame = data.index(b"\xff\xc0")
    height, width = random_state.choice(((65535, 65535), (30000, 30000), (0, 40), (40, 65535)))
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _other_kind(random_state):
    mode, form = random_state.choice(
        (
            ("CMYK", "JPEG"),
            ("L", "JPEG"),
            ("1", "PNG"),
            ("LA", "PNG"),
            ("P", "PNG"),
            ("I;16", "PNG"),
        )
        + (("RGBA", "PNG"), ("P", "GIF"), ("RGBA", "WEBP"), ("RGB", "BMP"), ("F", "TIFF"))
        + (("RGB", "PPM"), ("RGB", "TGA"), ("RGB", "PCX"), ("RGB", "EPS"), ("RGB", "PDF"))
    )
    size = random_state.choice(((40, 40), (1, 1), (1, 400), (400, 1), (41, 39)))
    return _encoded(Image.new(mode, size), form)


def _text_bomb(random_state):
    """A PNG with a text chunk that grows a thousandfold."""
    body = b"Comment\0\0" + zlib.compress(bytes(50_000_000))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = _encoded(Image.new("RGB", (40, 40)), "PNG")
    return data[:33] + chunk + data[33:]


def _no_picture(random_state):
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n"
    page = b"<!DOCTYPE html><title>Not found</title>"
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'/>"
    return random_state.choice((b"", b"\0", page, drawing, postscript, b"\xff\xd8\xff", b"GIF89a"))


_ODD_PICTURES = (_huge_png, _huge_jpeg, _other_kind, _other_kind, _text_bomb, _no_picture)
