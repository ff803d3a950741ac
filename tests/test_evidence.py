"""The scripts behind the pictures and scores of the docs: what they choose, draw and refuse."""

import collections
import importlib
import json

import numpy as np
import pytest
from PIL import Image
from source_imports import ROOT
from tiny_drawings import enlarged, position_of

from dmgan_tf import DMGANTextToImage
from dmgan_tf.data.stored import list_captions, stored_images
from dmgan_tf.errors import InputError
from dmgan_tf.figures.network_parts import architecture_table, read_architecture
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_records_are_chosen_by_the_seed_alone_one_of_each_class(benchmark):
    choose_records = benchmark("held_out_sheet").choose_records
    class_ids = np.repeat(np.arange(20), 5)
    chosen = choose_records(class_ids, 12, seed=3)
    assert len(set(class_ids[chosen])) == 12
    np.testing.assert_array_equal(choose_records(class_ids, 5, seed=3), chosen[:5])
    assert not np.array_equal(choose_records(class_ids, 12, seed=4), chosen)
    order = np.random.default_rng(3).permutation(100)  # the rule, as the sheet states it
    assert chosen[0] == order[0]
    passed_over = set(order[: np.flatnonzero(order == chosen[-1])[0]]) - set(chosen)
    assert {class_ids[record] for record in passed_over} <= set(class_ids[chosen])
    with pytest.raises(InputError, match="at most 20, .* Received: 21"):
        choose_records(class_ids, 21, seed=3)


def test_words_without_an_embedding_stand_in_brackets(benchmark):
    mark_unknown = benchmark("held_out_sheet").mark_unknown
    vocabulary = Vocabulary(["a", "red", "disc", "हिन्दी"])
    assert mark_unknown("A red, yo-yo disc!", vocabulary) == "A red, [yo]-[yo] disc!"
    assert mark_unknown("हिन्दी किताब", vocabulary) == "हिन्दी [किताब]"


def test_a_sheet_of_any_class(benchmark, run_command, vivid_model, prepared_data, tmp_path):
    classes = set(list_captions(prepared_data, "train").class_ids)
    arguments = [f"--model={vivid_model}", f"--data={prepared_data}", "--split=train"]
    arguments += [f"--count={len(classes) + 1}", f"--output={tmp_path / 'sheet.png'}"]
    status, _, stderr = run_command(benchmark("held_out_sheet"), *arguments)
    assert status == 2 and f"at most {len(classes)}, the number of classes" in stderr
    status, _, stderr = run_command(benchmark("held_out_sheet"), *arguments, "--any_class")
    assert status == 0, stderr


@pytest.mark.parametrize("real", [False, True])
def test_the_sheet_shows_the_chosen_captions_as_the_model_draws_them(
    benchmark, run_command, vivid_model, prepared_data, tmp_path, real
):
    module, path = benchmark("held_out_sheet"), tmp_path / "sheet.png"
    arguments = [f"--model={vivid_model}", f"--data={prepared_data}", f"--output={path}"]
    arguments += ["--count=4", "--seed=2", f"--real={real}"]
    status, stdout, stderr = run_command(module, *arguments)
    assert status == 0 and stdout.strip() == str(path), stderr
    held_out = list_captions(prepared_data, "test")
    records = module.choose_records(held_out.class_ids, 4, 2)
    captions = [held_out.captions[record][0] for record in records]
    drawn = DMGANTextToImage.from_preset(vivid_model).generate(captions, seed=2)
    dataset = stored_images(prepared_data, split="test", size=32, crop=False, batch_size=9)
    (stored,) = dataset.as_numpy_iterator()
    with Image.open(path) as sheet:
        assert sheet.text["caption"] == "\n".join(captions) and sheet.text["seed"] == "2"
        places = [position_of(sheet, enlarged(picture, 128)) for picture in drawn]
        assert all(places)
        beside = [position_of(sheet, enlarged(stored[record], 128)) for record in records]
    for (left, top), place in zip(places, beside, strict=True):
        assert place == ((left + 132, top) if real else None)


def test_the_gallery_shows_its_captions_and_the_stages_of_one_more(
    benchmark, run_command, vivid_model, tmp_path
):
    path = tmp_path / "gallery.png"
    captions = ["a red disc", "the square is blue", "a green disc"]
    status, _, stderr = run_command(
        benchmark("gallery"),
        *(f"--model={vivid_model}", f"--output={path}", "--seed=4", "--columns=2"),
        *(f"--caption={caption}" for caption in captions[:2]),
        f"--stages_of={captions[2]}",
    )
    assert status == 0, stderr
    model = DMGANTextToImage.from_preset(vivid_model)
    expected = model.generate(captions, seed=4, return_stages=True)
    with Image.open(path) as page:
        assert page.text["caption"] == "\n".join(captions)
        for picture in [*expected["images"][:2], *(stage[2] for stage in expected["stages"])]:
            assert position_of(page, enlarged(picture, 128))


def test_a_row_of_load_holds_rate_percentiles_and_refusals(benchmark, capsys):
    row = np.arange(101) / 1000, collections.Counter(busy=20, late=5), 5.0
    benchmark("serve_load").print_row(8, "grpc", 64, row, 512.4)
    expected = "| 8 | grpc | 64 | 20.2 | 50 | 95 | 99 | 25 of 126 | 512 |\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("held_out_sheet", [], "--data=DIR"),
        ("held_out_sheet", ["--model={model}", "--data={data}"], "at most 6"),
        ("gallery", ["--model={model}"], "--caption="),
        ("gallery", ["--model={model}", "--caption=zeppelin"], "zeppelin"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    benchmark,
    error_line,
    vivid_model,
    prepared_data,
    tmp_path,
    monkeypatch,
    script,
    arguments,
    message,
):
    monkeypatch.chdir(tmp_path)
    places = {"model": vivid_model, "data": prepared_data}
    line = error_line(benchmark(script), *(argument.format(**places) for argument in arguments))
    assert message in line
    assert not list(tmp_path.iterdir())


def test_the_picture_of_the_papers_network_is_of_the_code_as_it_is(benchmark):
    model = benchmark("architecture").paper_model()
    with Image.open(ROOT / "docs" / "architecture.png") as picture:
        drawn = json.loads(picture.text["parts"])
    assert drawn == architecture_table(read_architecture(model)), "run benchmarks/architecture.py"
    total = sum(row["parameters"] for row in drawn if row["class"] == "Discriminator")
    assert total == 1_878_242 + 5_155_810 + 18_264_546  # the release's


def test_the_architecture_is_written_with_what_it_is_of(
    benchmark, run_command, monkeypatch, vivid_model, tmp_path
):
    module, path = benchmark("architecture"), tmp_path / "architecture.png"
    model = DMGANTextToImage.from_preset(vivid_model)
    monkeypatch.setattr(module, "paper_model", lambda: model)
    status, stdout, stderr = run_command(module, f"--output={path}")
    assert status == 0 and stdout.strip() == str(path), stderr
    with Image.open(path) as picture:
        drawn = json.loads(picture.text["parts"])
        assert drawn == architecture_table(read_architecture(model)) and picture.width > 1000
