import errno
import logging
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import InputError
from dmgan_tf.training.session.checkpoints import CheckpointStore, named_variables


def variables(fill=0):
    arrays = {
        "weights/float32": np.full((2, 3), 1.1 + fill, "float32"),
        "weights/float16": np.full((4,), 0.1 + fill, "float16"),
        "optimizer/iterations": np.array(2**40 + fill, "int64"),
        "seed/state": np.array([2**32 - 1 - fill, 7], "uint32"),
        "flag": np.array(fill == 0),
        "empty": np.zeros((0, 3), "float32"),
    }
    return {name: tf.Variable(array, name="v") for name, array in arrays.items()}


def assert_same(first, second):
    for name, variable in first.items():
        saved, loaded = variable.numpy(), second[name].numpy()
        assert saved.dtype == loaded.dtype
        np.testing.assert_array_equal(saved, loaded, err_msg=name)


def test_every_dtype_comes_back_exactly(tmp_path):
    store, saved, loaded = CheckpointStore(tmp_path), variables(), variables(fill=1)
    store.save(1200, saved, {"epochs_done": 3})
    assert (tmp_path / "step-00001200.npz").is_file()
    assert store.restore(loaded) == {"epochs_done": 3, "step": 1200}
    assert_same(saved, loaded)


def test_keras_variables_and_seeds_come_back(tmp_path):
    seeds = [keras.random.SeedGenerator(seed) for seed in (1, 2)]
    keras.random.normal((2,), seed=seeds[0])
    CheckpointStore(tmp_path).save(1, named_variables("seed", [seeds[0].state]))
    CheckpointStore(tmp_path).restore(named_variables("seed", [seeds[1].state]))
    np.testing.assert_array_equal(
        keras.random.normal((4,), seed=seeds[0]), keras.random.normal((4,), seed=seeds[1])
    )


def test_an_empty_directory_holds_nothing(tmp_path):
    store = CheckpointStore(tmp_path / "none")
    assert store.latest() is None
    assert store.restore(variables()) is None


def test_only_the_newest_are_kept(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for step in (5, 10, 123456789):
        store.save(step, variables())
    assert store.steps() == [10, 123456789]
    assert store.latest() == 123456789


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_a_damaged_newest_one_gives_way_to_the_one_before(tmp_path, damage, caplog):
    store, good, loaded = CheckpointStore(tmp_path), variables(), variables(fill=2)
    store.save(1, good, {"epochs_done": 1})
    path = store.save(2, variables(fill=1))
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "emptied":
        content = b""
    else:
        start = content.index(np.float32(2.1).tobytes())
        content[start] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.restore(loaded)["step"] == 1
    assert "step-00000002.npz is damaged" in caplog.text
    assert_same(good, loaded)
    assert store.latest() == 1


def test_nothing_but_damage_is_an_error_however_often(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, variables()).write_bytes(b"no archive")
    for _ in range(2):  # a job that is tried again must not silently begin anew
        with pytest.raises(InputError, match="all 1 are damaged"):
            store.restore(variables())


def test_no_byte_of_a_checkpoint_can_be_wrong_unnoticed(tmp_path):
    """Whatever a flipped byte does to zipfile and NumPy: the one before is taken, or the same."""
    store, loaded = CheckpointStore(tmp_path), variables(fill=2)
    store.save(1, variables(fill=1))
    newest = store.save(2, variables())
    content = newest.read_bytes()
    taken = []
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        newest.write_bytes(damaged)
        taken.append(store.restore(loaded)["step"])
        assert_same(variables(fill=2 - taken[-1]), loaded)
    assert taken.count(1) > len(taken) / 2  # names and dates of the archive may differ


def test_what_is_excepted_stays_as_it_is(tmp_path):
    store, loaded = CheckpointStore(tmp_path), variables(fill=1)
    store.save(1, variables())
    store.restore(loaded, except_for={"optimizer/iterations"})
    assert loaded["optimizer/iterations"].numpy() == 2**40 + 1
    assert loaded["seed/state"].numpy()[0] == 2**32 - 1


def test_a_worker_that_only_reads_changes_nothing(tmp_path):
    CheckpointStore(tmp_path).save(1, variables())
    CheckpointStore(tmp_path).save(2, variables()).write_bytes(b"no archive")
    reader, before = CheckpointStore(tmp_path, writes=False), sorted(tmp_path.iterdir())
    reader.save(3, variables())
    assert reader.restore(variables(fill=1))["step"] == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("flag"), "it has flag, which this model lacks"),
        (lambda v: v.update(more=tf.Variable(0.0)), "it lacks more"),
        (lambda v: v.update(flag=tf.Variable([True])), r"flag is bool\(\), not bool\(1,\)"),
        (lambda v: v.update(flag=tf.Variable(0.0)), r"flag is bool\(\), not float32\(\)"),
    ],
)
def test_another_architecture_is_refused_by_name(tmp_path, change, message):
    store, other = CheckpointStore(tmp_path), variables(fill=1)
    store.save(1, variables())
    change(other)
    before = other["weights/float32"].numpy()
    with pytest.raises(InputError, match=message):
        store.restore(other)
    np.testing.assert_array_equal(other["weights/float32"].numpy(), before)


def test_a_full_disk_leaves_the_last_good_one(tmp_path):
    CheckpointStore(tmp_path).save(1, {"v": tf.Variable(np.ones(10, "float32"))})
    script = f"""
        import resource
        import numpy as np
        from dmgan_tf.errors import InputError
        from dmgan_tf.training.session.checkpoints import CheckpointStore

        class Big:
            def numpy(self):
                return np.ones(1_000_000, "float32")

        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            CheckpointStore({str(tmp_path)!r}).save(2, {{"v": Big()}})
        except InputError as error:
            print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert "disk full while writing checkpoint" in done.stdout
    assert "the last good one is step 1" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    (tmp_path / ".step-00000001.4194305.tmp.npz").write_bytes(b"half")
    CheckpointStore(tmp_path).save(2, variables())
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002.npz"]


def test_names_do_not_depend_on_what_was_built_before():
    names = []
    for _ in range(2):
        model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(3)])
        model.build((None, 4))
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)
        names.append(list(named_variables("m", [*model.variables, *optimizer.variables])))
    assert names[0] == names[1]
    assert len(set(names[0])) == len(model.variables) + len(optimizer.variables)


def test_mirrored_variables_come_back_on_every_replica(tmp_path, two_replicas):
    with two_replicas.scope():
        mirrored = keras.Variable(np.ones((2,)), name="w")
        other = keras.Variable(np.zeros((2,)), name="w")
    store = CheckpointStore(tmp_path)
    store.save(1, {"w": mirrored})
    store.restore({"w": other})
    values = two_replicas.run(lambda: tf.identity(other.value))
    for value in two_replicas.experimental_local_results(values):
        np.testing.assert_array_equal(value, [1.0, 1.0])


def test_what_cannot_be_reached_is_not_taken_for_damaged(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    store.save(1, variables())
    path = store.save(2, variables())

    def refused(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("dmgan_tf.training.session.checkpoints.zipfile.ZipFile", refused)
    with pytest.raises(InputError, match=f"{path} cannot be read: Permission denied"):
        store.restore(variables())
    assert store.steps() == [1, 2]


def test_another_format_is_refused(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("dmgan_tf.training.session.checkpoints._FORMAT_VERSION", 2)
        store.save(1, variables())
    with pytest.raises(InputError, match="format_version 1 in checkpoint .*Received: 2"):
        store.restore(variables())
    assert store.steps() == [1]
