import pytest
from absl import flags

from dmgan_tf.errors import InputError
from dmgan_tf.training.run_directory import RunDirectory


def test_changed_flags_are_told(tmp_path, caplog):
    run = RunDirectory(tmp_path / "run")
    run.prepare("--epochs=2\n--seed=1\n", resume=False)
    run.prepare("--epochs=2\n--seed=1\n", resume=True)
    assert not caplog.records
    run.prepare("--epochs=3\n--seed=1\n", resume=True)
    assert "--epochs=3, instead of --epochs=2" in caplog.text and "--seed" not in caplog.text
    assert run.flags_file.read_text() == "--epochs=3\n--seed=1\n"


def test_a_new_run_gets_its_directories(tmp_path):
    run = RunDirectory(tmp_path / "runs" / "first")
    assert not run.holds_a_run()
    run.prepare("--epochs=3\n--flip=false", resume=False)
    assert run.checkpoints.is_dir() and run.logs.is_dir() and run.samples.is_dir()
    assert not run.model.exists()
    assert run.holds_a_run()


def test_flags_are_reloadable(tmp_path):
    run = RunDirectory(tmp_path)
    run.prepare("--epochs=3\n--caption=a red, round apple", resume=False)
    values = flags.FlagValues()
    flags.DEFINE_integer("epochs", 1, "", flag_values=values)
    flags.DEFINE_string("caption", "", "", flag_values=values)
    values(["program", f"--flagfile={run.flags_file}"])
    assert values.epochs == 3 and values.caption == "a red, round apple"


@pytest.mark.parametrize("trace", ["flags.txt", "checkpoints/step-00000001.npz"])
def test_another_run_is_not_overwritten(tmp_path, trace):
    path = tmp_path / trace
    path.parent.mkdir(exist_ok=True)
    path.write_text("--epochs=1\n")
    with pytest.raises(InputError, match="already holds a run .*give --resume"):
        RunDirectory(tmp_path).prepare("--epochs=2", resume=False)
    assert path.read_text() == "--epochs=1\n"


def test_resuming_takes_the_new_flags(tmp_path):
    RunDirectory(tmp_path).prepare("--epochs=1", resume=False)
    RunDirectory(tmp_path).prepare("--epochs=2", resume=True)
    assert RunDirectory(tmp_path).flags_file.read_text() == "--epochs=2\n"


def test_checking_changes_nothing(tmp_path):
    RunDirectory(tmp_path / "new").check(resume=False)
    assert not (tmp_path / "new").exists()
    RunDirectory(tmp_path).prepare("--epochs=1", resume=False)
    RunDirectory(tmp_path).check(resume=True)
    assert RunDirectory(tmp_path).flags_file.read_text() == "--epochs=1\n"
    with pytest.raises(InputError, match="already holds a run"):
        RunDirectory(tmp_path).check(resume=False)


def test_resuming_nothing_starts(tmp_path):
    RunDirectory(tmp_path / "new").prepare("--epochs=1", resume=True)
    assert RunDirectory(tmp_path / "new").holds_a_run()


def test_a_directory_without_a_run_may_be_used(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    RunDirectory(tmp_path).prepare("", resume=False)


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="to be a directory"):
        RunDirectory(tmp_path / "run").prepare("", resume=False)
