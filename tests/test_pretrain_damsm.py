"""Whole runs of DAMSM pretraining, by the function and by the command."""

import dataclasses

import pytest
from tiny_training import PRETRAINING, flags_of, values_of

from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.training.damsm_run import pretrain_damsm


def weights_in(run):
    components = load_model_directory(run)
    parts = (components.text_encoder, components.image_encoder)
    return [value.tobytes() for part in parts for value in values_of(part.weights)]


@pytest.fixture(scope="module")
def whole_run(prepared_data, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, pretrain_damsm(PRETRAINING, prepared_data, run, flags_text="--epochs=2")


def test_a_run_leaves_a_model_and_its_figures(whole_run):
    run, result = whole_run
    assert result.model == str(run / "model")
    assert 0 <= result.retrieval_accuracy <= 1
    assert result.retrieval_chance == pytest.approx(1 / 6)
    components = load_model_directory(run)
    assert components.text_encoder.word_dim == components.image_encoder.embedding_dim == 8
    assert components.extra["damsm"]["image_size"] == 32
    assert components.extra["damsm"]["retrieval_accuracy"] == result.retrieval_accuracy
    assert (run / "flags.txt").read_text() == "--epochs=2\n"
    assert any((run / "logs").iterdir())


def test_resuming_a_finished_run_trains_no_more(prepared_data, whole_run):
    run, result = whole_run
    before = weights_in(run)
    again = pretrain_damsm(PRETRAINING, prepared_data, run, resume=True, flags_text="--epochs=2")
    assert again == result and weights_in(run) == before


def test_what_does_not_fit_the_run_is_refused(prepared_data, whole_run):
    run, _ = whole_run
    with pytest.raises(InputError, match="already holds a run"):
        pretrain_damsm(PRETRAINING, prepared_data, run)
    other = dataclasses.replace(PRETRAINING, word_dim=16)
    with pytest.raises(InputError, match="another architecture"):
        pretrain_damsm(other, prepared_data, run, resume=True)


def test_more_images_a_batch_than_there_are(prepared_data, tmp_path):
    larger = dataclasses.replace(PRETRAINING, batch_size=15)
    with pytest.raises(InputError, match="batch size .* Received: 15"):
        pretrain_damsm(larger, prepared_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_trains_and_its_flags_are_reloadable(
    validated_data, tmp_path, run_command, error_line
):
    """Watched on the validation split, where there is one."""
    run = tmp_path / "run"
    arguments = (f"--data={validated_data}", f"--run={run}", *flags_of(PRETRAINING))
    status, stdout, stderr = run_command("pretrain_damsm", *arguments, "--epochs=1")
    assert status == 0, stderr
    assert stdout.startswith("retrieval on the validation split: ")
    assert "(chance 30.0%)" in stdout and f"model: {run / 'model'}" in stdout
    model = load_model_directory(run)
    assert model.extra["damsm"]["retrieval_split"] == "validation"
    assert "of the validation split" in model.readme
    assert "--resume" in error_line("pretrain_damsm", f"--flagfile={run / 'flags.txt'}")


def test_the_command_names_what_is_missing(error_line):
    assert "Expected --data=DIR" in error_line("pretrain_damsm", "--run=anywhere")
