r"""Trains a model on your own pictures, in the time that you allow.

Examples:

    python -m dmgan_tf.finetune --source=my_stamps --run=runs/stamps --minutes=60
    python -m dmgan_tf.sample --model=runs/stamps --caption="a red apple" --output=samples

    # Drawings of people, from a model that draws people:
    python -m dmgan_tf.finetune --source=my_people --run=runs/people --model=avatars_128

The folder has pictures with captions, in one of the layouts of prepare_data: a NAME.txt beside each
NAME.png, or a metadata.jsonl. A tenth of the pictures (at least 8 and at most a quarter) is held
out, to measure at the end how well the model draws captions that it has not seen.

With --model, training starts from its weights, for pictures of the same kind; without, from new
ones.

It runs prepare_data, pretrain_damsm, train and evaluate in order, with settings that fit the number
and the size of the pictures, the model, and the speed of this machine, for which ten steps are
timed first. Each command is printed before it runs, so that you can change it and run it yourself;
--dry_run only prints the first three. Progress is saved in RUN/finetune.json: after an
interruption, the same command continues.

The sheet RUN/samples/latest.png shows held-out captions; it is updated about twelve times.
"""

import json
import pathlib
import shlex
import time

from absl import flags

from dmgan_tf import command, prepare_data, pretrain_damsm, train
from dmgan_tf.data.folder_survey import examine_folder
from dmgan_tf.data.sources.metadata_file import CAPTION_FIELD
from dmgan_tf.errors import InputError, Interrupted
from dmgan_tf.evaluate import __main__ as evaluate
from dmgan_tf.files.atomic import write_text
from dmgan_tf.models.precision import PRECISIONS
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.process.keras_backend import check_tensorflow

COMMON_FLAGS = ("source", "run", "model", "minutes", "image_size", "dry_run")
_COMMANDS = {
    "prepare_data": prepare_data,
    "pretrain_damsm": pretrain_damsm,
    "train": train,
    "evaluate": evaluate,
}
_ASKED = ("source", "caption_field", "model", "image_size", "minutes", "precision")
_FLAGS = (*_ASKED, "run", "dry_run")
_STATE = "finetune.json"
_NEW_LIKE = "avatars_128"  # of whose sizes new networks are


def define_flags() -> None:
    """Declares the flags of this command."""
    command.define_path("source", None, "The folder of captioned pictures.")
    flags.DEFINE_string(
        "caption_field", CAPTION_FIELD, "The field of a metadata.jsonl that holds the captions."
    )
    command.define_model(
        "model",
        None,
        "A model of such pictures to start from: a shipped name, a model directory, ...; default: "
        f"none, new networks of the sizes of {_NEW_LIKE}.",
    )
    command.define_path(
        "run", None, "Run directory for data, DAMSM, samples, evaluation.json and model/."
    )
    flags.DEFINE_float("minutes", 60.0, "Approximate total time in minutes.", lower_bound=1.0)
    flags.DEFINE_integer(
        "image_size",
        None,
        "Image size in pixels; default: the model's (128 of new networks), or less if the pictures "
        "are smaller. Twice that adds a stage.",
    )
    flags.DEFINE_enum(
        "precision",
        None,
        list(PRECISIONS),
        "Precision of the computation; default: the faster one.",
    )
    flags.DEFINE_bool("dry_run", False, "Only print the first three commands.")


def main() -> None:
    """Reads the flags, makes or continues a plan, and runs the commands in order."""
    options = flags.FLAGS
    command.check_given("source", "run")
    check_tensorflow("training")
    run = pathlib.Path(options.run)
    asked = {name: options[name].value for name in _ASKED}
    state = _read_state(run, asked)
    if state is None:
        state = {"asked": asked, "stages": _plan(run, **asked), "done": []}
    stages = state["stages"]
    minutes = options.minutes
    if options.dry_run:
        print("\n\n".join(_shown(stage["command"], stage["flags"]) for stage in stages))
        return
    run.mkdir(parents=True, exist_ok=True)
    try:
        for number, stage in enumerate(stages, start=1):
            _run_stage(number, stage, run, state)
        _evaluate(run, minutes, state)
    except Interrupted as error:
        what = str(error).partition(";")[0]
        raise Interrupted(
            f"{what}; give the same command again to continue", error.exit_status
        ) from error
    print(f"samples: {run / 'samples' / 'latest.png'}")
    print(_shown("sample", [f"--model={run}", "--caption=...", "--output=samples"]))


def _read_state(run, asked):
    """What this run has planned and done so far; None for a new run."""
    from dmgan_tf.training.session.run_directory import RunDirectory

    path = run / _STATE
    if not path.exists():
        for directory in (run, run / "damsm"):
            RunDirectory(directory).check(resume=False)
        if (run / "data").exists():
            raise InputError(
                f"Expected a new --run. Received: {run}, whose data/ another command made. Choose "
                "another --run."
            )
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        before = state["asked"]
        others = [name for name in asked if before.get(name) != asked[name]]
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"Expected the plan of a fine-tuning in {path}. Received: something else. Choose "
            "another --run."
        ) from error
    if others:
        given = " and ".join(_as_flag(name, before.get(name)) for name in others)
        raise InputError(
            f"Expected the flags that {run} was started with, {given}. Received: others. Give "
            "these to continue, or choose another --run."
        )
    return state


def _as_flag(name, value):
    return f"no --{name}" if value is None else f"--{name}={shlex.quote(str(value))}"


def _plan(run, *, source, caption_field, model, image_size, minutes, precision):
    """Chooses the flags of the three commands by pictures, model and machine."""
    began = time.monotonic()
    like = model or _NEW_LIKE
    directory = find_model_directory(like)
    folder = examine_folder(source, caption_field)

    from dmgan_tf.training import finetuning, step_times  # slow to import

    start = finetuning.load_start(like)
    size = finetuning.choose_image_size(folder, start, image_size)
    settings = finetuning.base_settings(folder, start, directory, size, is_new=model is None)
    print(
        f"{folder.num_training} pictures to train on; timing a few steps of {size} pixels",
        flush=True,
    )
    times = step_times.measure_steps(*settings, directory, precision)
    print(
        f"a step of the DAMSM takes {times.damsm:.2f} s, one of the training {times.training:.2f} s"
        f" in {times.precision}"
    )
    minutes -= (time.monotonic() - began) / 60
    settings = finetuning.with_time(*settings, folder.num_training, times, minutes)
    stages = finetuning.stages_of(folder, *settings, times, run=run, model=model)
    return [vars(stage) for stage in stages]


def _run_stage(number, stage, run, state):
    name, arguments = stage["command"], stage["flags"]
    if name in state["done"]:
        print(f"{number} of 4, {name}: done before")
        return
    about = max(round(stage["minutes"]), 1)
    print(f"\n{number} of 4, about {about} min:\n{_shown(name, arguments)}\n", flush=True)
    write_text(run / _STATE, json.dumps(state, indent=2) + "\n")
    if name == "prepare_data" and (run / "data").exists():
        arguments = [*arguments, "--overwrite"]  # the folder may have changed since
    command.call(_COMMANDS[name], arguments, instead_of=_FLAGS)
    state["done"].append(name)
    write_text(run / _STATE, json.dumps(state, indent=2) + "\n")


def _evaluate(run, minutes, state):
    from dmgan_tf.training.finetuning import evaluation_flags

    arguments = evaluation_flags(run, minutes)
    if arguments is None:
        print("No evaluation: too few of the held-out pictures could be used.")
        return
    stage = {"command": "evaluate", "flags": arguments, "minutes": minutes / 20}
    _run_stage(4, stage, run, state)


def _shown(name, arguments):
    """A command line for a shell, with a few flags on each line."""
    lines = [f"python -m dmgan_tf.{name}"]
    for argument in map(shlex.quote, arguments):
        if len(lines[-1]) + len(argument) > 96:
            lines.append("   ")
        lines[-1] += f" {argument}"
    return " \\\n".join(lines)


if __name__ == "__main__":
    define_flags()
    command.run(main, sigterm_status=75)
