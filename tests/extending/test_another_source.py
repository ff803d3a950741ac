import pathlib

import pytest
from PIL import Image

from dmgan_tf.data import records, stored
from dmgan_tf.data.sources.source import CaptionedImage, Source


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A folder with four images and two captions each; this test's modules can be imported."""
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    folder = tmp_path / "table"
    folder.mkdir()
    lines = ["file;caption"]
    for number in range(4):
        Image.new("RGB", (20, 20), (60 * number, 0, 0)).save(folder / f"{number}.png")
        lines += [f"{number}.png;red {number}", f"{number}.png;a plain picture"]
    (folder / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def prepare(run, dataset, source, output):
    return run(
        "prepare_data",
        f"--dataset={dataset}",
        *([f"--source={source}"] if source else []),
        f"--output={output}",
        "--image_size=24",  # of 20 pixels: enlarged, as this source has it
        "--test_fraction=0.25",
    )


def test_a_table_is_prepared(run_command, table, tmp_path):
    output = tmp_path / "out"
    status, stdout, stderr = prepare(
        run_command, "another_source:CSVSource(delimiter=';')", table, output
    )
    assert status == 0, stderr
    assert "train: 3 images of 3 classes, 6 captions" in stdout
    assert "test: 1 images of 1 classes, 2 captions" in stdout
    info = records.load_dataset_info(output)
    assert info.name == "table" and info.vocabulary().id_of("plain")
    (name,) = stored.list_captions(output, "test").file_names
    (captions,) = stored.list_captions(output, "test").captions
    assert captions == [f"red {name[0]}", "a plain picture"]


def test_a_source_is_short():
    path = pathlib.Path(__file__).with_name("another_source.py")
    assert len(path.read_text().splitlines()) <= 40


class Drawn(CaptionedImage):
    """An image that lies in no file."""

    def read(self):
        import io

        buffer = io.BytesIO()
        Image.new("RGB", (24, 24), (self.class_id * 40, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    def version(self):
        return "drawn with 40"


class Drawings(Source):
    """A source without a folder, and with an argument of its own."""

    name = "drawings"

    def __init__(self, num_images, test_fraction=0.1):
        self.num_images = num_images
        self.test_fraction = test_fraction

    def list_images(self):
        images = [Drawn(None, f"{n}.png", (f"red {n}",), n) for n in range(self.num_images)]
        return {"train": images}


def test_images_may_be_drawn(run_command, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    status, stdout, stderr = prepare(
        run_command, "test_another_source:Drawings(num_images=5)", None, tmp_path / "out"
    )
    assert status == 0, stderr
    assert "train: 4 images of 4 classes" in stdout
    assert records.load_dataset_info(tmp_path / "out").name == "drawings"


MODULES = {
    "raising": "raise RuntimeError('of its own')",
    "lacking": "import a_package_that_is_not_there",
    "of_another_kind": "class Thing:\n    pass\n",
}


@pytest.mark.parametrize(
    "dataset, message",
    [
        ("birds", "one of image_folder, cub, coco, avatars, or module:Class. Received: 'birds'"),
        ("image_foldr", "Did you mean 'image_folder'?"),
        ("nowhere:Thing", "Expected a module nowhere for the data source nowhere:Thing"),
        ("lacking:Thing", "No module named 'a_package_that_is_not_there'. Install what it needs"),
        ("raising:Thing", "Received: RuntimeError: of its own. Fix it"),
        ("of_another_kind:Other", "Expected a class Other in of_another_kind"),
        ("of_another_kind:Thing", "inherits from dmgan_tf.data.sources.source.Source"),
        ("another_source:CSVSource(colour=1)", "arguments that the data source"),
        ("another_source:CSVSource(", "Expected NAME or NAME(argument=value"),
        ("another_source:CSVSource", "Expected columns file and caption in"),
    ],
)
def test_what_cannot_be_a_source(error_line, table, tmp_path, monkeypatch, dataset, message):
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, content in MODULES.items():
        (tmp_path / f"{name}.py").write_text(content)
    assert message in prepare(error_line, dataset, table, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_that_needs_a_folder(error_line, tmp_path):
    assert "Expected --source=DIR. Received: none" in prepare(
        error_line, "image_folder", None, tmp_path / "out"
    )
