r"""Converts published weights to a model directory, or a model of ours to the authors' format.

Example:

    python -m dmgan_tf.convert --text_encoder=text_encoder200.pth \
        --image_encoder=image_encoder200.pth --generator=bird_DMGAN.pth \
        --vocabulary=captions.pickle --output=models/birds
    python -m dmgan_tf.sample --model=models/birds --caption="a small bird with a red breast"

    python -m dmgan_tf.convert --inception=pt_inception-2015-12-05-6726825d.pth --output=models/fid
    python -m dmgan_tf.convert --inception=imagenet --output=models/imagenet

    python -m dmgan_tf.convert --model=runs/birds --output=for_the_old_tools

Any subset of a release's files works; all sizes are read from them. PyTorch is not needed, and no
code in a file is run: it may contain only tensors and plain values.
"""

import hashlib
import math
import pathlib

from absl import flags, logging

from dmgan_tf import command
from dmgan_tf.errors import InputError

COMMON_FLAGS = (
    *("text_encoder", "image_encoder", "generator", "discriminators"),
    *("vocabulary", "inception", "model", "output"),
)
_NETWORKS = ("text_encoder", "image_encoder", "generator", "discriminators")
_RELEASE = (*_NETWORKS, "vocabulary")
_GAMMAS = ("gamma1", "gamma2", "gamma3")


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_path("text_encoder", None, "PyTorch file of the release's text encoder.")
    command.define_path("image_encoder", None, "PyTorch file of the release's DAMSM image encoder.")
    command.define_path("generator", None, "PyTorch file of the release's generator.")
    command.define_path_list(
        "discriminators", [], "PyTorch files of its discriminators: A.pth,B.pth,..."
    )
    command.define_path(
        "vocabulary", None, "captions.pickle of the text encoder's data set, or a vocabulary.txt."
    )
    command.define_path(
        "inception",
        None,
        "Inception-v3: a PyTorch file (torchvision's or the 2015 network of FID), a TensorFlow 1 "
        "slim checkpoint, keras.applications' .h5 file, or 'imagenet' to fetch that one.",
    )
    flags.DEFINE_enum(
        "inception_variant",
        None,
        ["torchvision", "fid_2015"],
        "Kind of a PyTorch Inception-v3 whose number of classes is neither 1000 nor 1008.",
    )
    command.define_model("model", None, "A model of ours, to be written in the release's format.")
    command.define_path("output", None, "Directory to write; an existing model is replaced.")
    flags.DEFINE_float("gamma1", 4.0, "DAMSM training: sharpness of the attention over regions.")
    flags.DEFINE_float("gamma2", 5.0, "DAMSM training: sharpness of the maximum over words.")
    flags.DEFINE_float("gamma3", 10.0, "DAMSM training: sharpness of the softmax over the batch.")
    flags.DEFINE_integer(
        "sequence_length",
        18,
        "Words of a caption that the DAMSM was trained on: 18 (CUB) or 15 (COCO). Training on the "
        "converted encoders reads as many; drawing has no limit.",
        lower_bound=1,
    )


def main() -> None:
    """Reads the flags, converts, and says what was found and where the result is."""
    options = flags.FLAGS
    given = [name for name in (*_RELEASE, "inception", "model") if options[name].value]
    alone = [name for name in given if name not in _RELEASE]
    if not given:
        raise InputError(
            "Expected a file to convert, such as --generator=F.pth. Received: none. See --help."
        )
    if alone and len(given) > 1:
        raise InputError(
            f"Expected --{alone[0]} by itself. Received with it: "
            f"--{', --'.join(name for name in given if name != alone[0])}. Convert each by a "
            "separate command, with another --output."
        )
    if not options.output:
        raise InputError("Expected --output=DIR. Received: nothing. See --help.")
    for name in (*_GAMMAS, "sequence_length"):
        if options[name].present and not options.text_encoder:
            logging.warning("--%s is of a text encoder's training; without one it is unused.", name)
    if options.model:
        _to_release(options.model, options.output)
    elif options.inception:
        _from_inception(options.inception, options.inception_variant, options.output)
    else:
        _from_release(options)


def _from_release(options):
    from dmgan_tf.convert.caption_pickle import read_vocabulary  # slow to import
    from dmgan_tf.convert.release import read_release
    from dmgan_tf.models.model_directory import check_replaceable, save_model_directory

    for name in _GAMMAS:
        if not (math.isfinite(options[name].value) and options[name].value > 0):
            raise InputError(
                f"Expected --{name}, a positive number. Received: {options[name].value}."
            )
    if not any(options[name].value for name in _NETWORKS):
        raise InputError(
            "Expected a network to convert beside --vocabulary, such as --text_encoder=F.pth. "
            "Received: none."
        )
    check_replaceable(options.output)
    vocabulary = read_vocabulary(options.vocabulary) if options.vocabulary else None
    parts = read_release(**{name: options[name].value for name in _NETWORKS})
    _check_vocabulary(vocabulary, parts, options)
    files = {name: options[name].value for name in _RELEASE if options[name].value}
    extra = {"converted_from": _provenance(files)}
    if "text_encoder" in parts:
        extra["damsm"] = {
            **{name: options[name].value for name in _GAMMAS},
            "max_words": options.sequence_length,
        }
    save_model_directory(options.output, vocabulary=vocabulary, extra=extra, **parts)
    _report(parts, vocabulary)
    print(f"model: {options.output}")


def _check_vocabulary(vocabulary, parts, options):
    if vocabulary is None or "text_encoder" not in parts:
        return
    expected = parts["text_encoder"].vocabulary_size
    if len(vocabulary) != expected:
        raise InputError(
            f"Expected a vocabulary of {expected} ids, those of {options.text_encoder}. Received: "
            f"{options.vocabulary} with {len(vocabulary)}. Give the captions.pickle that the text "
            "encoder was trained on."
        )


def _from_inception(source, variant, output):
    from dmgan_tf.convert.inception_weights import load_inception  # slow to import
    from dmgan_tf.models.model_directory import check_replaceable, save_model_directory

    check_replaceable(output)
    inception = load_inception(source, variant)
    # A TensorFlow checkpoint is several files, and "imagenet" none.
    origin = {"inception": {"file": pathlib.Path(source).name}}
    if pathlib.Path(source).is_file():
        origin = _provenance({"inception": source})
    save_model_directory(output, inception=inception, extra={"converted_from": origin})
    classes = f"{inception.num_classes} classes" if inception.num_classes else "no classifier"
    print(f"inception: arithmetic of {inception.variant}, {classes}")
    print(f"model: {output}")


def _to_release(model, output):
    from dmgan_tf.convert.release import write_release  # slow to import
    from dmgan_tf.models.model_directory import load_model_directory

    for path in write_release(load_model_directory(model), output):
        print(path)


def _report(parts, vocabulary):
    """One line per network: the content of its file."""
    if "text_encoder" in parts:
        encoder = parts["text_encoder"]
        print(f"text encoder: {encoder.vocabulary_size} ids, {encoder.word_dim} values a word")
        if vocabulary is None:
            print("no --vocabulary: the networks can be called, but captions cannot be drawn")
    if "image_encoder" in parts:
        print(f"image encoder: Inception-v3, {parts['image_encoder'].embedding_dim} values")
    if "generator" in parts:
        generator = parts["generator"]
        print(
            f"generator: {', '.join(map(str, generator.image_sizes))} pixels, "
            f"{generator.channels} channels, {generator.num_residual_blocks} residual blocks, "
            f"{generator.refinement}, noise of {generator.noise_dim}, condition of "
            f"{generator.condition_dim}"
        )
    for network in parts.get("discriminators", ()):
        print(f"discriminator: {network.image_size} pixels, {network.channels} channels")


def _provenance(files):
    """Name and SHA-256 of every file, for `config.json`."""

    def describe(path):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file": pathlib.Path(path).name, "sha256": digest}

    return {
        name: [describe(path) for path in paths if path]
        if isinstance(paths, list)
        else describe(paths)
        for name, paths in files.items()
    }


if __name__ == "__main__":
    define_flags()
    command.run(main)
