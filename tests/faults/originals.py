"""Sound files of every kind that the campaign damages, made once, as small as they can be."""

import io
import json
import pathlib
import pickle
import shutil
import zipfile

import keras
import numpy as np
import tensorflow as tf
from miniature_trees import make_birds, make_coco
from PIL import Image, ImageDraw
from tiny_evaluation import random_images
from tiny_training import make_encoders

from dmgan_tf.convert.pytorch_file import read_pytorch_file
from dmgan_tf.data.preparation import prepare
from dmgan_tf.data.sources.image_folder import read_image_folder
from dmgan_tf.evaluate.partial import PartialResult
from dmgan_tf.evaluate.statistics_file import save_statistics
from dmgan_tf.metrics.frechet import FeatureStatistics
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.model_directory import save_model_directory
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.training.session.checkpoints import CheckpointStore

PARITY = pathlib.Path(__file__).resolve().parents[1] / "convert" / "parity" / "small"
CAPTIONS = [
    "a red disc",
    "the SQUARE is blue!",
    "a green disc, \u7ea2\u8272",
    "red \u0645\u0631\u0628\u0639 disc",
    "a " * 50 + "disc",
]
FLAGS = "--num_samples=1\n--seed=3\n# a comment\n\n--caption=a red disc\n--batch_size=2\n"


def make_originals(directory: pathlib.Path) -> None:
    """Writes one sound input of every kind under `directory`."""
    directory.mkdir(parents=True)
    folder = _image_folder(directory / "folder")
    prepare(read_image_folder(folder), directory / "data", name="shapes", image_size=16)
    make_birds(directory / "birds")
    make_coco(directory / "coco", captions_pickle=True)
    _model(directory / "model", Vocabulary.load(directory / "data" / "vocabulary.txt"))
    _pytorch_files(directory / "pytorch")
    _slim_checkpoint(directory / "slim")
    variables = checkpoint_variables()
    CheckpointStore(directory / "checkpoints").save(3, variables, {"steps_per_epoch": 3})
    statistics = FeatureStatistics(4)
    statistics.update(np.random.default_rng(0).normal(size=(50, 4)))
    save_statistics(directory / "statistics.npz", statistics.moments(), protocol="ttur")
    _partial_result(directory / "partial.npz", statistics)
    _pictures(directory / "pictures")
    (directory / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    (directory / "flags.txt").write_text(FLAGS, encoding="utf-8")
    (directory / "secret").write_bytes(b"not to be read " * 100)


def checkpoint_variables():
    """Variables such as a run saves, of several shapes and types."""
    return {
        "generator/0000/kernel": tf.Variable(np.ones((3, 4), "float32")),
        "generator/0001/bias": tf.Variable(np.ones(4, "float32")),
        "optimizer/0000/iteration": tf.Variable(np.int64(3)),
    }


def _image_folder(folder):
    folder.mkdir()
    lines = []
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x011A] = 6, "a maker", 72.0  # orientation, maker, resolution
    for number in range(8):
        colour, shape = ("red", "green", "blue")[number % 3], ("disc", "square")[number % 2]
        image = Image.new("RGB", (24, 24), "white")
        pen = ImageDraw.Draw(image)
        (pen.ellipse if shape == "disc" else pen.rectangle)((4, 4, 19, 19), fill=colour)
        name = f"{number}.{('png', 'jpg')[number % 2]}"
        image.save(folder / name, exif=tags)  # which may be what is damaged
        texts = [f"a {colour} {shape}", f"the {shape} is {colour}"]
        lines.append(json.dumps({"file_name": name, "text": texts, "class_id": number % 4}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _model(directory, vocabulary):
    encoders = make_encoders(vocabulary)
    keras.utils.set_random_seed(3)
    generator = Generator(
        channels=4,
        noise_dim=5,
        condition_dim=3,
        word_dim=8,
        num_residual_blocks=1,
        base_size=16,
        num_stages=2,
    )
    discriminators = [Discriminator(size, 2, 8) for size in (16, 32)]
    for model in (generator, *discriminators):
        model.build()
    save_model_directory(
        directory,
        vocabulary=vocabulary,
        text_encoder=encoders.text_encoder,
        image_encoder=encoders.image_encoder,
        generator=generator,
        discriminators=discriminators,
        extra={"training": {"epochs": 3}},
    )


def _pytorch_files(directory):
    """The text encoder of the release in miniature, in the old format and in the new one."""
    directory.mkdir()
    for name in ("text_encoder.pth", "netD0.pth"):
        shutil.copy(PARITY / name, directory / name)
    tensors = read_pytorch_file(PARITY / "text_encoder.pth")
    (directory / "zip.pth").write_bytes(_zipped({k: v.read() for k, v in tensors.items()}))
    words = ["<end>", *(f"word{number}" for number in range(30))]
    ids = {word: number for number, word in enumerate(words)}
    content = [[[1, 2]], [[3]], dict(enumerate(words)), ids]
    (directory / "captions.pickle").write_bytes(pickle.dumps(content, 2))


def _zipped(arrays) -> bytes:
    """What today's `torch.save` makes of a state dict of float32 arrays."""

    def plain(value):
        return pickle.dumps(value, 2)[2:-1]

    opcodes = b"\x80\x02ccollections\nOrderedDict\n)R("
    for key, (name, array) in enumerate(arrays.items()):
        strides = tuple(step // 4 for step in np.zeros(array.shape, "float32").strides)
        storage = b"(" + plain("storage") + b"ctorch\nFloatStorage\n"
        storage += plain(str(key)) + plain("cpu") + plain(array.size) + b"tQ"
        view = plain(0) + plain(array.shape) + plain(strides) + plain(False)
        opcodes += plain(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view
        opcodes += b"ccollections\nOrderedDict\n)RtR"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", opcodes + b"u.")
        archive.writestr("net/byteorder", "little")
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"net/data/{key}", np.float32(array).tobytes())
        archive.writestr("net/version", "3\n")
    return buffer.getvalue()


def _slim_checkpoint(directory):
    """A checkpoint with a few of the variables of StackGAN's Inception."""
    directory.mkdir()
    names = ["conv0/weights", "conv0/BatchNorm/beta", "logits/logits/biases"]
    values = [np.ones((3, 3, 3, 32), "f4"), np.ones(32, "f4"), np.ones(51, "f4")]
    tf.raw_ops.SaveV2(
        prefix=str(directory / "model.ckpt"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(value) for value in values],
    )


def _partial_result(path, statistics):
    PartialResult(path, {"seed": 0}, every=0.0).offer({"fid": statistics}, 50)


def _pictures(folder, count=4):
    """Pictures of one size, as a folder to be scored."""
    folder.mkdir()
    for number, pixels in enumerate(random_images(0, count)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
