import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.files.flag_file import with_flag_files


def test_lines_take_the_place_of_the_flag(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "inner").write_text("--c=3\n")
    (tmp_path / "outer").write_text(f"--b=2 x  \n\n# --d\n// --e\n--flagfile={tmp_path}/inner\n")
    for given in (["--flagfile=~/outer"], ["-flagfile", "~/outer"]):
        assert with_flag_files(["--a", *given, "--z"]) == ["--a", "--b=2 x", "--c=3", "--z"]
    assert with_flag_files(["--flagfile="]) == []  # as absl has it


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_of_any_editor(tmp_path, line_end, encoding):
    flags = ["--caption=größe\u2028\x0c\x85.", "--seed=1"]
    (tmp_path / "flags").write_bytes(line_end.join(flags).encode(encoding))
    assert with_flag_files([f"--flagfile={tmp_path}/flags"]) == flags


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"--seed=\xff", "UTF-8 text in .*0xff at offset 7"),
        (b"--flagfile=flags", "in itself"),
        (b"--flagfile=none", "No such file"),
        (b"--flagfile=gs://none", "an address of gs://"),
        (b"--flagfile", "no file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags").write_bytes(content)
    with pytest.raises(InputError, match=message):
        with_flag_files(["--flagfile=flags"])
