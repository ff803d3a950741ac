import tqdm

from dmgan_tf.process import progress


def lines_of(capsys, monkeypatch, seconds, initial=0, total=9):
    """What nine steps of so many seconds each write, where there is no terminal."""
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress_bar(total, "image", "drawing", initial=initial) as bar:
        for _ in range(total - initial):
            clock[0] += seconds
            bar.set_postfix_str("loss=1")
            bar.update()
    written = capsys.readouterr().err
    assert "\r" not in written
    return written.splitlines()


def test_a_line_every_ten_seconds(capsys, monkeypatch):
    assert lines_of(capsys, monkeypatch, 4) == [
        "drawing: 3/9 images, 00:12 so far, 00:24 left, loss=1",
        "drawing: 6/9 images, 00:24 so far, 00:12 left, loss=1",
        "drawing: 9/9 images, 00:36 so far, 00:00 left, loss=1",
    ]


def test_the_end_is_told_of(capsys, monkeypatch):
    lines = lines_of(capsys, monkeypatch, 4, initial=5)
    assert [line.partition(",")[0] for line in lines] == [
        "drawing: 8/9 images",
        "drawing: 9/9 images",
    ]


def test_short_work_leaves_no_line(capsys, monkeypatch):
    assert lines_of(capsys, monkeypatch, 1) == []


def test_another_line_counts_as_one(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    bar = progress.ProgressLines(3, "step", "training")
    for _ in range(3):
        clock[0] += 6
        bar.update()
        bar.write("epoch")
    bar.close()
    assert capsys.readouterr().err == "epoch\n" * 3


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress.progress_bar(2, "image", "drawing", leave=False) as bar:
        assert isinstance(bar, tqdm.tqdm) and not bar.disable


def test_what_nobody_looks_at(capsys):
    with progress.progress_bar(2, "image", "drawing", shown=False) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""
