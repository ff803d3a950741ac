"""What `convert` refuses, and the one line that it says of each."""

import logging
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from dmgan_tf.convert.pytorch_file import read_pytorch_file
from dmgan_tf.convert.pytorch_writer import write_pytorch_file
from dmgan_tf.convert.release import read_text_encoder, write_release
from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.model_directory import ModelComponents

PARITY = pathlib.Path(__file__).parent / "parity"
ODD, SMALL = PARITY / "odd", PARITY / "small"


@pytest.fixture
def line(error_line, tmp_path):
    """The one line that the command fails with; nothing is left at `--output`."""

    def run(*flags):
        text = error_line("convert", *flags, f"--output={tmp_path}/model")
        assert not (tmp_path / "model").exists()
        return text

    return run


def changed(source, path, **changes):
    """A copy of a state dict: `None` takes a tensor away, an array puts one there."""
    tensors = {name: tensor.read() for name, tensor in read_pytorch_file(source).items()}
    for name, value in changes.items():
        name = name.replace("__", ".")
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = np.asarray(value, "float32")
    write_pytorch_file(path, tensors)
    return path


def test_what_is_given_is_checked_first(line, error_line):
    assert "Expected a file to convert" in line()
    assert "Expected a network to convert beside --vocabulary" in line(
        f"--vocabulary={ODD / 'captions.pickle'}"
    )
    text = line("--inception=imagenet", "--generator=F.pth")
    assert "Expected --inception by itself. Received with it: --generator" in text
    assert "--output=DIR" in error_line("convert", "--generator=F.pth")
    assert "--gamma2, a positive number" in line("--text_encoder=F.pth", "--gamma2=nan")


def test_a_place_that_holds_something_else_is_kept(error_line, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "robin.jpg").write_bytes(b"1")
    text = error_line("convert", "--generator=missing.pth", f"--output={tmp_path}/photos")
    assert "a directory of other things" in text
    assert (tmp_path / "photos" / "robin.jpg").exists()


def test_a_missing_file(line):
    assert "Received: no file" in line("--generator=missing.pth")


def test_a_truncated_file(line, tmp_path):
    for source in (SMALL / "netG.pth", ODD / "netG.pth"):
        (tmp_path / "cut.pth").write_bytes(source.read_bytes()[:-1000])
        assert "damaged" in line(f"--generator={tmp_path}/cut.pth")


def test_a_zip_that_is_no_checkpoint(line, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("robin.jpg", b"1")
    text = line(f"--generator={tmp_path}/photos.zip")
    assert "a zip without one data.pkl" in text and "robin.jpg" in text


class Payload:
    """Pickled, it asks whoever reads it to make a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_tries_to_run_something(line, tmp_path):
    payload = Payload(str(tmp_path / "it_ran"))
    for protocol in range(6):
        bare = pickle.dumps(payload, protocol)
        words = pickle.dumps([[], [], {0: "<end>", 1: payload}, {}], protocol)
        (tmp_path / "bare.pth").write_bytes(bare)
        (tmp_path / "captions.pickle").write_bytes(words)
        with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"ca_net.fc.weight": payload}))
            archive.writestr("archive/version", b"3\n")
        for flags in (
            (f"--generator={tmp_path}/bare.pth",),
            (f"--generator={tmp_path}/zip.pth",),
            (
                f"--text_encoder={ODD / 'text_encoder.pth'}",
                f"--vocabulary={tmp_path}/captions.pickle",
            ),
        ):
            assert "mkdir" in line(*flags)
    assert not (tmp_path / "it_ran").exists()


def test_files_given_to_the_wrong_flag(line):
    text = line(f"--generator={SMALL / 'text_encoder.pth'}")
    assert "to hold a generator" in text and "Received: a text encoder of the release." in text
    text = line(f"--image_encoder={SMALL / 'netD0.pth'}")
    assert "Received: a discriminator of the release." in text


def test_networks_of_two_trainings(line):
    text = line(f"--text_encoder={SMALL / 'text_encoder.pth'}", f"--generator={ODD / 'netG.pth'}")
    assert "features of 16 values" in text and "netG.pth with 18" in text
    text = line(f"--generator={ODD / 'netG.pth'}", f"--discriminators={SMALL / 'netD0.pth'}")
    assert "18 values" in text and "netD0.pth with 16" in text


def test_a_vocabulary_of_another_encoder(line):
    text = line(
        f"--text_encoder={SMALL / 'text_encoder.pth'}",
        f"--generator={SMALL / 'netG.pth'}",
        f"--vocabulary={ODD / 'captions.pickle'}",
    )
    assert "vocabulary of 31 ids" in text and "captions.pickle with 43" in text


def test_discriminators_that_do_not_belong(line, tmp_path):
    twice = f"--discriminators={SMALL / 'netD0.pth'},{SMALL / 'netD0.pth'}"
    assert "Received two for 64 pixels" in line(twice)
    tensors = read_pytorch_file(SMALL / "netG.pth")
    first_stages = {name: tensor.read() for name, tensor in tensors.items() if "net3" not in name}
    write_pytorch_file(tmp_path / "two_stages.pth", first_stages)
    text = line(f"--generator={tmp_path}/two_stages.pth", f"--discriminators={SMALL / 'netD2.pth'}")
    assert "of 64, 128 pixels" in text and "for 256 pixels" in text


@pytest.mark.parametrize(
    ("flag", "source", "changes", "expected"),
    [
        ("generator", "netG", {"h_net3__A__weight": None}, "without 1 of them: h_net3.A.weight"),
        (
            "generator",
            "netG",
            {"h_net2__A__weight": [[np.nan] * 16]},
            "h_net2.A.weight with values",
        ),
        ("generator", "netG", {"h_net2__upsample__1__weight": None}, "none of the size"),
        ("generator", "netG", {"h_net3__residual__1__block__0__weight": None}, "without 1 of them"),
        ("generator", "netG", {"h_net2__residual__1__block__0__weight": None}, "none of the size"),
        ("generator", "netG", {"h_net1__upsample4__1__weight": None}, "to have shape"),
        (
            "discriminators",
            "netD1",
            {"img_code_s32__0__module__weight_bar": None},
            "none of the size",
        ),
        ("generator", "netG", {"h_net1__fc__1__bias": np.ones(3)}, "shape (2048,)"),
        ("generator", "netG", {"h_net1__fc__0__weight": np.ones((64, 5))}, "5 columns"),
        ("generator", "netG", {"img_net1__img__0__weight": np.ones((3, 4))}, "4 axes"),
        # A width that the other tensors do not have must not be built: it would take terabytes.
        (
            "generator",
            "netG",
            {"img_net1__img__0__weight": np.ones((3, 100_000, 3, 3))},
            "of the size of its tensors. Received: 1",
        ),
        ("text_encoder", "text_encoder", {"rnn__weight_ih_l1": np.ones(3)}, "several layers"),
        (
            "text_encoder",
            "text_encoder",
            {"rnn__weight_hh_l0": np.ones((24, 8)), "rnn__weight_ih_l0": np.ones((24, 300))},
            "a GRU",
        ),
        (
            "discriminators",
            "netD1",
            {"COND_DNET__jointConv__0__module__weight_bar": np.ones((16, 16, 3, 3))},
            "Received: 16 channels in all",
        ),
        (
            "discriminators",
            "netD1",
            {"img_code_s32_1__0__module__weight_bar": None},
            "without 1 of them",
        ),
    ],
)
def test_tensors_that_do_not_fit(line, tmp_path, flag, source, changes, expected):
    path = changed(SMALL / f"{source}.pth", tmp_path / "changed.pth", **changes)
    assert expected in line(f"--{flag}={path}")


def test_tensors_that_nobody_knows_are_named(tmp_path, caplog):
    path = changed(SMALL / "text_encoder.pth", tmp_path / "more.pth", projection__weight=np.ones(3))
    with caplog.at_level(logging.WARNING):
        read_text_encoder(path)
    assert "more.pth has 1 tensor(s)" in caplog.text and "projection.weight" in caplog.text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"base_size": 16}, "a first image of 64 pixels. Received: 16"),
        ({"num_stages": 4}, "at most 3 stages"),
        ({"writing_gate": False}, "both of its gates. Received: writing_gate=False"),
        ({"memory_dim": 5}, "memory slots of twice the channels"),
    ],
)
def test_a_generator_that_the_release_cannot_hold(options, expected, tmp_path):
    generator = Generator(**{"channels": 2, "word_dim": 4, **options})
    with pytest.raises(InputError, match=expected):
        write_release(ModelComponents(generator=generator), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module.module.", "netE."])
def test_whatever_prefix_all_names_have_is_taken_off(prefix, tmp_path):
    tensors = {
        f"{prefix}{name}": tensor.read()
        for name, tensor in read_pytorch_file(SMALL / "text_encoder.pth").items()
    }
    write_pytorch_file(tmp_path / "prefixed.pth", tensors)
    assert read_text_encoder(tmp_path / "prefixed.pth").vocabulary_size == 31


def test_names_that_nobody_knows_are_shown(line, tmp_path):
    write_pytorch_file(tmp_path / "other.pth", {"backbone.conv1": np.ones(3, "float32")})
    assert "tensors of other names: backbone.conv1" in line(f"--generator={tmp_path}/other.pth")


def test_nothing_is_written_over_the_authors_files(error_line, run_command, tmp_path):
    status, _, _ = run_command(
        "convert", f"--text_encoder={SMALL / 'text_encoder.pth'}", f"--output={tmp_path}/model"
    )
    assert status == 0
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "text_encoder.pth").write_bytes(b"the authors'")
    text = error_line("convert", f"--model={tmp_path}/model", f"--output={tmp_path}/birds")
    assert "text_encoder.pth" in text and "would be lost" in text
    assert (tmp_path / "birds" / "text_encoder.pth").read_bytes() == b"the authors'"


def test_a_model_of_which_nothing_can_be_written(tmp_path):
    with pytest.raises(InputError, match="Received: one without"):
        write_release(ModelComponents(), tmp_path)
