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
from dmgan_tf.evaluate.captions import first_captions
from dmgan_tf.evaluate.images import StoredImages
from dmgan_tf.evaluate.judges import damsm_judge
from dmgan_tf.evaluate.scoring import score_images
from dmgan_tf.figures.network_parts import architecture_table, read_architecture
from dmgan_tf.models.model_directory import load_model_directory, save_model_directory
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture(scope="module")
def another_damsm(damsm_directory, tmp_path_factory):
    """A DAMSM with the same vocabulary and other weights."""
    components = load_model_directory(damsm_directory)
    random = np.random.default_rng(0)
    for weight in components.text_encoder.weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    directory = tmp_path_factory.mktemp("another") / "model"
    save_model_directory(
        directory,
        vocabulary=components.vocabulary,
        text_encoder=components.text_encoder,
        image_encoder=components.image_encoder,
    )
    return directory


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A network for FID, as a file: the mean of each colour."""
    path = tmp_path_factory.mktemp("features") / "colours.py"
    path.write_text("def features(images):\n    return images.mean((1, 2)) / 255.0\n")
    return path


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


def test_scores_stand_in_a_table_and_with_their_recipe(
    benchmark, run_command, vivid_model, prepared_data, another_damsm, colours, tmp_path
):
    path = tmp_path / "scores.json"
    status, stdout, stderr = run_command(
        benchmark("preset_scores"),
        *(f"--model={vivid_model}", f"--data={prepared_data}", f"--output={path}"),
        *(f"--damsm={another_damsm}", f"--features={colours}", "--num_images=12"),
    )
    assert status == 0, stderr
    report = json.loads(path.read_text(encoding="utf-8"))
    lines = [line for line in stdout.splitlines() if line.startswith("|")]
    assert "R-precision, its own DAMSM | R-precision, another DAMSM" in lines[0]
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    drawn, real, unrelated = report["scores"].values()
    assert [score["metric"] for score in drawn] == ["fid", "r_precision", "r_precision"]
    assert [score["num_images"] for score in drawn] == [12, 12, 12]
    assert [score["num_images"] for score in unrelated] == [6, 6, 6]
    assert (real[0]["num_images"], real[0]["num_reference"]) == (3, 3)
    assert f"{drawn[0]['value']:.2f} (12 against 6)" in lines[2]
    assert report["images"]["kind"] == "generated" and report["captions"]["fingerprint"]
    own, another = report["judges"].values()
    assert own["is_the_generators_own"] and not another["is_the_generators_own"]

    plan = first_captions(list_captions(prepared_data, "test"), {})
    images = StoredImages(prepared_data, "test", size=32, crop=True, plan=plan)
    (expected,) = score_images(images, [], (), judges=[damsm_judge(another_damsm, plan)])
    assert real[2]["value"] == expected.value and real[2]["protocol"] == "another DAMSM"


def test_a_row_of_load_holds_rate_percentiles_and_refusals(benchmark, capsys):
    row = np.arange(101) / 1000, collections.Counter(busy=20, late=5), 5.0
    benchmark("serve_load").print_row(8, "grpc", 64, row, 512.4)
    expected = "| 8 | grpc | 64 | 20.2 | 50 | 95 | 99 | 25 of 126 | 512 |\n"
    assert capsys.readouterr().out == expected


def test_chosen_images_are_those_of_their_places_from_any_start(benchmark, prepared_data):
    images = StoredImages(prepared_data, "train", size=16, crop=False)
    every = np.concatenate(list(images.batches(0, 5)))
    chosen = benchmark("chosen_images").ChosenImages(images, [9, 0, 4, 13])
    assert chosen.num_images == 4
    for start in range(4):
        batches = list(chosen.batches(start, 2))
        np.testing.assert_array_equal(np.concatenate(batches), every[[0, 4, 9, 13]][start:])
        assert all(len(batch) == 2 for batch in batches[:-1])


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("held_out_sheet", [], "--data=DIR"),
        ("held_out_sheet", ["--model={model}", "--data={data}"], "at most 6"),
        ("gallery", ["--model={model}"], "--caption="),
        ("gallery", ["--model={model}", "--caption=zeppelin"], "zeppelin"),
        ("preset_scores", ["--model={model}"], "--damsm=DIR"),
        (
            "preset_scores",
            ["--model={model}", "--data={data}", "--damsm={model}", "--features={colours}"],
            "another DAMSM than the one",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    benchmark,
    error_line,
    vivid_model,
    prepared_data,
    colours,
    tmp_path,
    monkeypatch,
    script,
    arguments,
    message,
):
    monkeypatch.chdir(tmp_path)
    places = {"model": vivid_model, "data": prepared_data, "colours": colours}
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
