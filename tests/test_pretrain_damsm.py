"""DAMSM pretraining: a whole run, and the command."""

import dataclasses
import json

import pytest
from tiny_training import PRETRAINING, flags_of, values_of

from dmgan_tf.data.pipeline import steps_per_epoch
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.training.damsm_run import pretrain_damsm


def weights_in(run):
    components = load_model_directory(run)
    parts = (components.text_encoder, components.image_encoder)
    return [value.tobytes() for part in parts for value in values_of(part.weights)]


def test_a_run_leaves_a_model_and_its_figures(finished_pretraining):
    run, result = finished_pretraining
    assert result.model == str(run / "model")
    assert result.retrieval_split == "test" and 0 <= result.retrieval_accuracy <= 1
    assert result.retrieval_chance == pytest.approx(1 / 6)
    components = load_model_directory(run)
    assert components.text_encoder.word_dim == components.image_encoder.embedding_dim == 8
    assert components.extra["damsm"]["image_size"] == 32
    assert components.extra["damsm"]["retrieval_accuracy"] == result.retrieval_accuracy
    assert (run / "flags.txt").read_text() == "--epochs=2\n"
    assert any((run / "logs").iterdir())


def test_resuming_a_finished_run_trains_no_more(prepared_data, finished_pretraining):
    run, result = finished_pretraining
    before = weights_in(run)
    again = pretrain_damsm(PRETRAINING, prepared_data, run, resume=True, flags_text="--epochs=2")
    assert again == result
    assert weights_in(run) == before


def test_another_run_in_the_directory_is_refused(prepared_data, finished_pretraining):
    with pytest.raises(InputError, match="already contains a run"):
        pretrain_damsm(PRETRAINING, prepared_data, finished_pretraining[0])


def test_resuming_with_another_architecture_is_refused(prepared_data, finished_pretraining):
    other = dataclasses.replace(PRETRAINING, word_dim=16)
    with pytest.raises(InputError, match="another architecture"):
        pretrain_damsm(other, prepared_data, finished_pretraining[0], resume=True)


def test_more_images_a_batch_than_there_are(prepared_data, tmp_path):
    with pytest.raises(InputError, match="batch size .* Received: 15"):
        config = dataclasses.replace(PRETRAINING, batch_size=15)
        pretrain_damsm(config, prepared_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_reader_of_colours_needs_captions_with_colours(prepared_data, tmp_path, monkeypatch):
    monkeypatch.setattr("dmgan_tf.text.colors.COLOR_WORDS", frozenset({"mauve"}))
    config = dataclasses.replace(PRETRAINING, word_epochs=1, word_reader=True)
    with pytest.raises(InputError, match="name colours in English, for --word_reader"):
        pretrain_damsm(config, prepared_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_and_the_flags_that_it_keeps(validated_data, tmp_path, run_command, error_line):
    """Watched on the validation split where there is one; an epoch of two passes."""
    one_epoch = dataclasses.replace(PRETRAINING, epochs=1, passes_per_epoch=2)
    flags = (f"--data={validated_data}", f"--run={tmp_path / 'run'}", *flags_of(one_epoch))
    status, stdout, stderr = run_command("pretrain_damsm", *flags)
    assert status == 0, stderr
    assert stdout.startswith("retrieval on the validation split: ") and "(chance 30.0%)" in stdout
    assert f"model: {tmp_path / 'run' / 'model'}" in stdout
    model = load_model_directory(tmp_path / "run")
    assert model.extra["damsm"]["retrieval_split"] == "validation"
    assert "of the validation split" in model.readme
    steps = 2 * steps_per_epoch(validated_data, "train", PRETRAINING.batch_size)
    assert json.loads((tmp_path / "run" / "last_epoch.json").read_text()) == {"step": steps}
    line = error_line("pretrain_damsm", f"--flagfile={tmp_path / 'run' / 'flags.txt'}")
    assert "already contains a run" in line and "--resume" in line


def test_the_command_names_what_is_missing(error_line):
    assert "Expected --data=DIR" in error_line("pretrain_damsm", "--run=anywhere")
