"""What `--help` prints, and what a mistyped flag or value is answered with."""

import re

import pytest
from commands import command_module
from test_public_api import COMMANDS


@pytest.fixture
def help_of(run_command):
    """What a command prints for `--help`, or for another flag of help."""

    def run(name, flag="--help"):
        status, stdout, _ = run_command(name, flag)
        assert status == 0
        return stdout

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_on_a_screen(help_of, name):
    lines = help_of(name).splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    assert f"python -m dmgan_tf.{name}" in "\n".join(lines[2:4])
    listed = [match[1] for line in lines if (match := re.match(r"  --(?:\[no\])?(\w+)", line))]
    assert listed == list(command_module(name).COMMON_FLAGS)
    assert len(listed) <= 10


@pytest.mark.parametrize("name", ["sample", "train"])
def test_the_full_help_has_all_flags_and_the_docstring(help_of, name):
    text, module = help_of(name, "--helpfull"), command_module(name)
    assert text.startswith(module.__doc__.strip())
    for flag in (*module.COMMON_FLAGS, "allow_module", "flagfile"):
        assert len(re.findall(rf"^  --(?:\[no\])?{flag}\b", text, re.MULTILINE)) == 1
    assert ("More flags:" in text) == (name == "train")


def test_a_flag_is_described_by_its_kind_choices_and_default(help_of):
    for line in help_of("train", "--helpfull").splitlines(), help_of("visualize").splitlines():
        assert not [part for part in line if "repeat this option" in part or "<" in part]
    text = re.sub(r"\s+", " ", help_of("train", "--helpfull"))
    for part in (
        "--epochs=N Epochs, of one pass over the training images or --passes_per_epoch. "
        "Must be 1 or more. [600]",
        "--init=MODEL Run or model directory whose",
        "--resume Continue the run",
        '--[no]flip Mirror images at random; not if captions say "left". [on]',
        "--refinement=NAME The paper's dynamic memory, or its baseline, AttnGAN's attention "
        "(Table 3). One of memory, attention. [memory]",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("name", "flag", "line"),
    [
        ("train", "--bach_size=4", "flag 'bach_size'. Did you mean --batch_size? See --help."),
        ("train", "--nofli", "flag 'nofli'. Did you mean --noflip? See --help."),
        ("sample", "--num-samples=1", "'num-samples'. Did you mean --num_samples?"),
        ("sample", "--xyzzy", "Unknown command line flag 'xyzzy'. See --help."),
        (
            "sample",
            "--precision=bloat16",
            "Expected --precision to be one of float32, bfloat16, float16. Received: 'bloat16'. "
            "Did you mean 'bfloat16'?",
        ),
        ("visualize", "--figure=memry", "Received: 'memry'. Did you mean 'memory'?"),
        ("train", "--epochs=a: b", "Expected --epochs (an integer). Received: 'a'."),
        ("prepare_data", "--shards=0", "Expected --shards (a positive integer). Received: '0'."),
        ("train", "--objective=papr", "Did you mean 'paper'?"),
        ("sample", "--model=avatars128", "Received: nothing there. Did you mean 'avatars_128'?"),
    ],
)
def test_a_mistyped_flag_or_value_names_the_nearest(error_line, name, flag, line):
    flags = {"sample": ["--caption=a red disc"], "train": ["--data=d", "--damsm=m", "--run=r"]}
    assert line in error_line(name, *flags.get(name, ()), flag)


@pytest.mark.parametrize(
    ("flag", "meant"), [("--metrics=fit", "'fid'"), ("--protocol=light0", "'lite0'")]
)
def test_a_mistyped_name_in_a_list(error_line, prepared_data, flag, meant):
    given = (f"--images={prepared_data}", f"--data={prepared_data}", "--metrics=fid")
    assert error_line("evaluate", *given, flag).endswith(f"Did you mean {meant}?")
