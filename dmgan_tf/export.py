r"""Writes a model as a SavedModel for TensorFlow Serving, which takes plain captions.

python -m dmgan_tf.export --model=runs/quickstart/dmgan --output=serving/dmgan

python -m dmgan_tf.export --model=runs/birds --output=serving/birds --version=3 \
    --fast --precision=bfloat16 --batch_sizes=1,4,16

A model is a shipped name, a model directory, or a run directory. The last part of --output is the
model's name on the server. A version is written whole or not at all, so a running server may watch
the directory. README.md beside the versions says how to start a server and what to ask it.
"""

from absl import flags, logging

from dmgan_tf import command
from dmgan_tf.errors import InputError
from dmgan_tf.process.keras_backend import check_tensorflow

COMMON_FLAGS = ("model", "output", "fast", "precision", "batch_sizes", "version")


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_model()
    command.define_path("output", None, "Directory of the model's versions, made if missing.")
    flags.DEFINE_integer("version", None, "Number of this version; the next free one if not given.")
    flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Of the arithmetic.")
    flags.DEFINE_bool("fast", False, "Rewrite the networks for speed; the images stay the same.")
    flags.DEFINE_list("batch_sizes", ["1", "2", "4", "8"], "What the server draws at once.")


def main() -> None:
    """Reads the flags, exports, and prints the path of the version."""
    options = flags.FLAGS
    for name, meaning in (
        ("model", "MODEL: a shipped name, a model directory or a run directory"),
        ("output", "SERVING_DIR/NAME, NAME being the model's on the server"),
    ):
        if not options[name].value:
            raise InputError(f"Expected --{name}={meaning}.")
    try:
        batch_sizes = [int(size) for size in options.batch_sizes]
    except ValueError as error:
        raise InputError(
            f"Expected --batch_sizes, whole numbers such as 1,2,4,8. Received: "
            f"{','.join(options.batch_sizes)}."
        ) from error

    check_tensorflow("an export")
    from dmgan_tf.serving.version_directory import new_version_directory

    new_version_directory(options.output, options.version)  # before TensorFlow is imported

    from dmgan_tf.serving.export import export_model

    logging.set_verbosity(logging.WARNING)  # TensorFlow names every weight of every signature
    print(
        export_model(
            options.model,
            options.output,
            version=options.version,
            precision=options.precision,
            fast=options.fast,
            batch_sizes=batch_sizes,
        )
    )


if __name__ == "__main__":
    define_flags()
    command.run(main)
