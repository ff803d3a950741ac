r"""Measures `prepare_data`: images per second, and CPU time per image and step.

Generates pictures with the spectrum of photographs, of COCO's usual size, writes them as JPEG and
prepares them. Their generation is not timed; keep the pictures for a second run with --pictures:

  python benchmarks/preparation.py --pictures=runs/pictures
"""

import io
import pathlib
import tempfile
import time

import numpy as np
from absl import flags
from PIL import Image, ImageDraw

from dmgan_tf import command
from dmgan_tf.data import preparation, stored_image
from dmgan_tf.data.image_sizes import stored_size
from dmgan_tf.data.sources.source import CaptionedImage

FLAGS = flags.FLAGS

flags.DEFINE_string("pictures", None, "Directory to keep the pictures in; by default none.")
flags.DEFINE_integer("count", 2_000, "How many pictures.", lower_bound=1)
flags.DEFINE_integer("width", 640, "In pixels.", lower_bound=16)
flags.DEFINE_integer("height", 480, "In pixels.", lower_bound=16)
flags.DEFINE_integer("image_size", 256, "As for prepare_data.", lower_bound=16)
flags.DEFINE_integer("workers", None, "As for prepare_data.", lower_bound=1)
flags.DEFINE_integer("repetitions", 3, "How often to prepare them.", lower_bound=1)

_JPEG_QUALITY = 90
_SAMPLE = 200  # pictures of which each step is timed alone


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        images = _draw_all(pathlib.Path(FLAGS.pictures or f"{scratch}/pictures"))
        sizes = sorted(image.path.stat().st_size / 1024 for image in images)
        print(
            f"{len(images)} JPEGs of {FLAGS.width}x{FLAGS.height} and {sizes[len(sizes) // 2]:.0f} "
            f"KiB ({sizes[len(sizes) // 20]:.0f} to {sizes[-1 - len(sizes) // 20]:.0f})"
        )
        for repetition in range(FLAGS.repetitions):
            _time_preparation(images, pathlib.Path(scratch) / f"prepared_{repetition}")
        _time_steps(images[:_SAMPLE])


def _time_preparation(images, output) -> None:
    start, busy = time.perf_counter(), time.process_time()
    preparation.prepare(
        {"train": images, "test": []},
        output,
        name="benchmark",
        image_size=FLAGS.image_size,
        num_workers=FLAGS.workers,
    )
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    written = sum(path.stat().st_size for path in output.iterdir()) / len(images)
    print(
        f"{len(images) / seconds:.0f} images per second; {1000 * busy / len(images):.2f} ms of "
        f"CPU time per image, that is {len(images) / busy:.0f} per second and processor; "
        f"{written / 1024:.0f} KiB stored an image"
    )


def _time_steps(images) -> None:
    """Prints the processor time of the steps of `encode_image`, one after the other."""
    spent = dict.fromkeys(("read", "decode", "resize", "encode", "all, as encode_image"), 0.0)
    for image in images:
        marks = [time.process_time()]
        content = image.path.read_bytes()
        marks.append(time.process_time())
        picture = Image.open(io.BytesIO(content))
        picture.load()
        marks.append(time.process_time())
        scale = stored_size(FLAGS.image_size) / min(picture.size)
        size = tuple(round(side * scale) for side in picture.size)
        picture = picture.resize(size, Image.Resampling.BILINEAR)
        marks.append(time.process_time())
        picture.save(io.BytesIO(), "JPEG", quality=95, subsampling=0)
        marks.append(time.process_time())
        stored_image.encode_image(image, FLAGS.image_size, "upscale")
        marks.append(time.process_time())
        for name, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[name] += end - start
    print("; ".join(f"{name} {1000 * s / len(images):.2f} ms" for name, s in spent.items()))


def _draw_all(folder: pathlib.Path) -> list[CaptionedImage]:
    folder.mkdir(parents=True, exist_ok=True)
    field = None
    images = []
    for number in range(FLAGS.count):
        path = folder / f"{number:06d}.jpg"
        if not path.exists():
            field = _field() if field is None else field
            _draw(field, number).save(path, quality=_JPEG_QUALITY)
        captions = (f"picture {number} of clouds and shapes",) * 5
        images.append(CaptionedImage(path, path.name, captions, class_id=number))
    return images


def _field() -> np.ndarray:
    """Noise whose amplitude decreases with its frequency, as in photographs."""
    height, width = 3 * FLAGS.height, 3 * FLAGS.width
    noise = np.random.default_rng(0).normal(size=(height, width, 3))
    noise = 0.8 * noise.mean(-1, keepdims=True) * np.sqrt(3) + 0.3 * noise  # mostly grey
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / FLAGS.width)
    field = np.fft.irfft2(
        np.fft.rfft2(noise, axes=(0, 1)) * amplitude[..., None], (height, width), (0, 1)
    )
    return (field / field.std()).astype(np.float32)


def _draw(field: np.ndarray, number: int) -> Image.Image:
    random = np.random.default_rng(number)
    top, left = (random.integers(0, 2 * side) for side in (FLAGS.height, FLAGS.width))
    cut = field[top : top + FLAGS.height, left : left + FLAGS.width]
    pixels = random.uniform(80, 170, 3) + random.uniform(35, 60) * cut
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, across, down = random.integers(0, min(image.size) // 2, 4).tolist()
        draw = pen.ellipse if random.random() < 0.5 else pen.rectangle
        draw((2 * x, y, 2 * x + across, y + down), tuple(random.integers(0, 256, 3).tolist()))
    return image


if __name__ == "__main__":
    command.run(main)
