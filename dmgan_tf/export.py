r"""Exports a model: for TensorFlow Serving, as one file, or as a web page that draws.

python -m dmgan_tf.export --model=runs/quickstart/dmgan --output=serving/dmgan

python -m dmgan_tf.export --model=runs/birds --output=serving/birds --version=3 \
    --fast --precision=bfloat16 --batch_sizes=1,4,16

python -m dmgan_tf.export --model=runs/birds --output=phone/birds --format=litert --precision=int8

python -m dmgan_tf.export --model=avatars_128 --output=site --format=web

A model is a shipped name, a model directory, or a run directory.

--format=saved_model takes plain captions. The last part of --output is the model's name on the
server. A version is written completely or not at all, so a running server may watch the directory.
README.md beside the versions says how to start a server and how to call it.

--format=litert draws one caption of at most --caption_length known words; with --stages it returns
every stage and the word attention as well. Vocabulary and tokenizer rule are written beside it;
`dmgan_tf.serving.litert_reader` draws with it.

--format=onnx writes the same in float32, for any batch size and any number of words.

--format=web writes a page that draws in the visitor's browser, for any static file server; its
README.md says more. LiteRT.js, which runs the model there, is fetched by npm, or taken from
--runtime=FOLDER.
"""

from absl import flags, logging

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.process.keras_backend import check_tensorflow

COMMON_FLAGS = (
    *("model", "output", "format", "precision", "stages", "fast", "batch_sizes", "version"),
)
_OUTPUTS = {
    "saved_model": "SERVING_DIR/NAME, where NAME is the model's name on the server",
    "litert": "FOLDER",
    "onnx": "FOLDER",
    "web": "FOLDER",
}
_OF_SOME_FORMATS = {
    **dict.fromkeys(("version", "fast", "batch_sizes"), ("saved_model",)),
    "precision": ("saved_model", "litert", "web"),
    "caption_length": ("litert", "web"),
    "stages": ("litert", "onnx"),
    "runtime": ("web",),
}


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model()
    command.define_path("output", None, "Directory of the model's versions, or the folder.")
    flags.DEFINE_enum("format", "saved_model", list(_OUTPUTS), "What to write.")
    flags.DEFINE_enum(
        "precision",
        None,
        ["float32", "bfloat16", "float16", "int8"],
        "saved_model: of the arithmetic, float32 (default) or bfloat16. litert and web: of the "
        "stored weights, float32, float16 (default) or int8.",
    )
    flags.DEFINE_integer(
        "version", None, "saved_model: number of this version; default: the next free one."
    )
    flags.DEFINE_bool(
        "fast", False, "saved_model: rewrite the networks for speed; the images stay the same."
    )
    flags.DEFINE_list(
        "batch_sizes", ["1", "2", "4", "8"], "saved_model: batch sizes that the server uses."
    )
    flags.DEFINE_integer(
        "caption_length", 32, "litert and web: known words of the longest caption."
    )
    flags.DEFINE_bool("stages", False, "litert, onnx: return all stages and the word attention.")
    command.define_path("runtime", None, "web: folder with the npm packages of LiteRT.js.")


def main() -> None:
    """Reads the flags, exports, and prints the path of the result."""
    options = flags.FLAGS
    for name, meaning in (
        ("model", "MODEL: a shipped name, a model directory or a run directory"),
        ("output", _OUTPUTS[options.format]),
    ):
        if not options[name].value:
            raise InputError(f"Expected --{name}={meaning}.")
    for name, formats in _OF_SOME_FORMATS.items():
        if options.format not in formats and options[name].present:
            raise InputError(
                f"Expected --{name} with --format={' or '.join(formats)} only. Received: "
                f"--format={options.format}. Leave --{name} out."
            )
    check_tensorflow("an export")
    logging.set_verbosity(logging.WARNING)  # TensorFlow names every weight of every signature
    export = {
        "saved_model": _export_saved_model,
        "litert": _export_litert,
        "onnx": _export_onnx,
        "web": _export_web,
    }[options.format]
    settings = {} if options.precision is None else {"precision": options.precision}
    print(export(options, settings))


def _export_saved_model(options, settings):
    try:
        batch_sizes = [int(size) for size in options.batch_sizes]
    except ValueError as error:
        raise InputError(
            f"Expected --batch_sizes, whole numbers such as 1,2,4,8. Received: "
            f"{','.join(options.batch_sizes)}."
        ) from error

    from dmgan_tf.serving.version_directory import new_version_directory

    new_version_directory(options.output, options.version)  # before TensorFlow is imported

    from dmgan_tf.serving.export import export_model

    return export_model(
        options.model,
        options.output,
        version=options.version,
        fast=options.fast,
        batch_sizes=batch_sizes,
        **settings,
    )


def _export_litert(options, settings):
    from dmgan_tf.serving.folder import check_folder

    check_folder(options.output)  # before TensorFlow is imported

    from dmgan_tf.serving.litert import export_litert

    return export_litert(
        options.model,
        options.output,
        caption_length=options.caption_length,
        stages=options.stages,
        **settings,
    )


def _export_onnx(options, settings):
    from dmgan_tf.serving.folder import check_folder

    check_folder(options.output)  # before TensorFlow is imported

    from dmgan_tf.serving.onnx import export_onnx

    return export_onnx(options.model, options.output, stages=options.stages)


def _export_web(options, settings):
    from dmgan_tf.serving.folder import check_folder

    check_folder(options.output)  # before TensorFlow is imported

    from dmgan_tf.web.site import export_web, sizes_of

    site = export_web(
        options.model,
        options.output,
        caption_length=options.caption_length,
        runtime=options.runtime,
        **settings,
    )
    on_disk, sent = (size / 1e6 for size in sizes_of(site))
    print(f"{on_disk:.1f} MB; {sent:.1f} MB from a server that compresses.")
    return site


if __name__ == "__main__":
    define_flags()
    command.run(main)
