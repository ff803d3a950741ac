"""Published weights of Inception-v3, of any supported format, as our `InceptionV3`."""

import os
import pathlib
import warnings
import zipfile

import keras

from dmgan_tf.convert.release_layout import inception_entries, load
from dmgan_tf.convert.slim_checkpoint import find_checkpoint, load_slim_checkpoint
from dmgan_tf.convert.state_dict import IMAGE_ENCODER, INCEPTION, StateDict
from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.failed_download import failed_download
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.model_directory import load_inception_directory
from dmgan_tf.models.weights_file import check_weights_file

IMAGENET = "imagenet"
_IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
)
_IMAGENET_MD5 = "9a0d58056eeedaa3f26cb7ebd46da564"
_VARIANT_OF_CLASSES = {1000: "torchvision", 1008: "fid_2015"}
_PYTORCH_VARIANTS = tuple(_VARIANT_OF_CLASSES.values())
# What a PyTorch file may hold beside the network: a training aid and the heads of the DAMSM.
_EXPECTED_BESIDE = (
    "num_batches_tracked",
    *("emb_features.weight", "emb_cnn_code.weight", "emb_cnn_code.bias"),
    *("AuxLogits.fc.weight", "AuxLogits.fc.bias"),
    *(
        f"AuxLogits.{unit}.{name}"
        for unit in ("conv0", "conv1")
        for name in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    ),
)
_HDF5, _ZIP, _PICKLE = b"\x89HDF\r\n\x1a\n", b"PK", b"\x80"


def load_inception(source: str | os.PathLike, variant: str | None = None) -> InceptionV3:
    """Reads published weights of Inception-v3, in any of their formats.

    The published networks share their layers' shapes but not their arithmetic, so the variant
    follows from what the source is.

    Args:
        source: One of these:

            - a PyTorch file: torchvision's `inception_v3_google-*.pth`, the network of FID and
              Inception Score (`pt_inception-2015-12-05-*.pth`, known by its 1008 classes), or the
              `image_encoder.pth` of a DAMSM;
            - a TensorFlow 1 checkpoint of StackGAN's fine-tuned Inception: its prefix
              (`.../model.ckpt`), one of its files or its directory;
            - `"imagenet"`, which downloads the weights of `keras.applications`, or their `.h5` or
              `.weights.h5` file, with or without classifier;
            - a model directory with an Inception, which `convert --inception` writes.
        variant: For PyTorch files: `"torchvision"` or `"fid_2015"`, where the number of classes
            does not determine it.

    Returns:
        A built float32 `InceptionV3` with its weights; `num_classes` is 0 if the source has no
        classifier.

    Raises:
        InputError: If the source is none of these, is damaged or contains another network.
    """
    if variant is not None and variant not in _PYTORCH_VARIANTS:
        raise InputError(
            f"Expected a variant among {', '.join(_PYTORCH_VARIANTS)}: those are the networks that "
            f"PyTorch files hold. Received: {variant!r}."
        )
    reader = _reader_of(source)
    if reader is _read_pytorch:
        return _read_pytorch(source, variant)
    if variant is not None:
        raise InputError(
            f"Expected a variant with PyTorch files only; {source} is none, and determines "
            f"the network itself. Received: {variant!r}. Leave the variant out."
        )
    return reader(source)


def _reader_of(source):
    """The function that reads a source; files are identified by their first bytes."""
    path = pathlib.Path(source)
    if str(source) == IMAGENET and not path.exists():
        return _download_imagenet
    if any((path / part / "config.json").is_file() for part in ("", "model")):
        return load_inception_directory
    found = "a directory of something else" if path.is_dir() else "nothing is there"
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(512)
        if head.startswith(_HDF5):
            return _read_keras
        if head.startswith(_ZIP) and _is_keras_model(path):
            raise InputError(
                f"Expected only weights in {path}. Received: a .keras model. Load it with Keras "
                "and give what its save_weights('inception.weights.h5') writes."
            )
        if head.startswith((_ZIP, _PICKLE)):
            return _read_pytorch
        found = failed_download(head) or "a file of something else, or damaged"
    if find_checkpoint(path):
        return load_slim_checkpoint
    raise InputError(
        "Expected weights of Inception-v3: a PyTorch .pth file, a TensorFlow 1 checkpoint, a .h5 "
        f"file of keras.applications, {IMAGENET!r} or a model directory. Received: {source}, "
        f"{found}."
    )


def _is_keras_model(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # the reader of PyTorch files reports the problem


def _read_pytorch(path, variant):
    state = StateDict.open(path, INCEPTION)
    num_classes = state.shape("fc.weight", rank=2)[0] if "fc.weight" in state else 0
    if num_classes:  # before memory is allocated for the classifier
        state.check_shapes({"fc.weight": (num_classes, 2048)})
    if variant is None and IMAGE_ENCODER.sign in state:
        variant = "torchvision"  # the backbone of the DAMSM
    variant = variant or _VARIANT_OF_CLASSES.get(num_classes)
    if variant is None:
        found = f"{num_classes} classes" if num_classes else "no classifier"
        raise InputError(
            f"Expected 1000 classes (torchvision's network) or 1008 (that of FID) in {path}, to "
            f"distinguish the two. Received: {found}. Say which it is: --inception_variant="
            f"{' or '.join(_PYTORCH_VARIANTS)}."
        )
    network = _built(variant, num_classes)
    load(inception_entries(network), state)
    state.check_all_used(_EXPECTED_BESIDE)
    return network


def _download_imagenet(_):
    name = _IMAGENET_URL.rpartition("/")[2]
    try:
        path = keras.utils.get_file(
            name, _IMAGENET_URL, cache_subdir="models", file_hash=_IMAGENET_MD5
        )
    except Exception as error:  # Keras raises nothing narrower when a download fails
        reason = " ".join(str(error).split()).rpartition(" -- ")[2]  # after the address
        raise InputError(
            f"Expected to download the ImageNet weights of keras.applications ({reason}). Fetch "
            f"{_IMAGENET_URL} on a machine that can, and give the path of {name} in place of "
            f"{IMAGENET!r}."
        ) from error
    return _read_keras(path)


def _read_keras(path):
    check_weights_file(path)
    published = _keras_network(path)
    convolutions = _in_order_of_making(published, keras.layers.Conv2D)
    normalizations = _in_order_of_making(published, keras.layers.BatchNormalization)
    classifiers = _in_order_of_making(published, keras.layers.Dense)
    network = _built("keras_applications", classifiers[0].units if classifiers else 0)
    units = [unit for _, unit in network.convolution_units()]
    for unit, convolution, normalization in zip(units, convolutions, normalizations, strict=True):
        unit.conv.set_weights(convolution.get_weights())
        unit.bn.set_weights(normalization.get_weights())
    if classifiers:
        network.fc.set_weights(classifiers[0].get_weights())
    return network


def _keras_network(path):
    """The network of `keras.applications` with the weights of a file, and with its classifier."""
    reason = None
    for with_classifier in (True, False):
        network = keras.applications.InceptionV3(weights=None, include_top=with_classifier)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a dozen lines, which the error replaces by one
                network.load_weights(path)
            return network
        except Exception as error:  # damaged files raise many exception types
            reason = reason or first_line(error)
            if isinstance(error, OSError):
                break  # it cannot be read at all
    raise InputError(
        f"Expected {path} to hold the weights of keras.applications.InceptionV3, with 1000 classes "
        f"or none. Received: something else, or a damaged file ({reason})."
    )


def _in_order_of_making(model, layer_class):
    """Keras numbers layers as it makes them (`conv2d`, `conv2d_1`, ...), in torchvision's order."""

    def number(layer):
        suffix = layer.name.rpartition("_")[2]
        return int(suffix) if suffix.isdigit() else 0

    return sorted((layer for layer in model.layers if type(layer) is layer_class), key=number)


def _built(variant, num_classes):
    network = InceptionV3(variant, num_classes, dtype="float32")
    network.build()
    return network
