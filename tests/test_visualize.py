"""The `visualize` command: files, tables that hold what `generate` returns, and clear errors."""

import contextlib
import csv
import io
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image
from tiny_drawings import enlarged, position_of

from dmgan_tf import DMGANTextToImage
from dmgan_tf import visualize as command
from dmgan_tf.models.generator import Generator

CAPTIONS = ("a red disc", "the square is blue")


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(rows, name):
    return [float(row[name]) for row in rows]


@pytest.fixture(scope="module")
def baseline(vivid_model, tmp_path_factory):
    """A model with the same encoder and word attention in place of the memory."""
    return save_other(vivid_model, tmp_path_factory, num_stages=2, refinement="attention")


@pytest.fixture(scope="module")
def one_stage(vivid_model, tmp_path_factory):
    """A model with the same encoder and no refinement."""
    return save_other(vivid_model, tmp_path_factory, num_stages=1)


def save_other(directory, tmp_path_factory, **settings):
    model = DMGANTextToImage.from_preset(directory)
    generator = Generator(
        channels=4, noise_dim=5, condition_dim=4, word_dim=8, base_size=16, **settings
    )
    generator.build()
    other = tmp_path_factory.mktemp("other") / "model"
    DMGANTextToImage(model.vocabulary, model.text_encoder, generator).save_to_preset(other)
    return other


@pytest.fixture(scope="module")
def visualize(vivid_model, tmp_path_factory):
    """Runs the command in this process; its output directory and what it printed."""

    def run(*arguments, model=vivid_model):
        output = tmp_path_factory.mktemp("drawn") / "figures"
        others, printed = set(flags.FLAGS), io.StringIO()
        command.define_flags()
        try:
            flags.FLAGS(["visualize", f"--model={model}", f"--output={output}", *arguments])
            with contextlib.redirect_stdout(printed):
                command.main()
        finally:
            for flag in set(flags.FLAGS) - others:
                delattr(flags.FLAGS, flag)
            flags.FLAGS.unparse_flags()
        return output, printed.getvalue()

    return run


SEED = ("--seed=5", "--first_row=1")


@pytest.fixture(scope="module")
def looked(visualize, baseline):
    """One run that has everything, which the tests read: directory, and what was printed."""
    return visualize(
        *flags_of(*CAPTIONS),
        *(*SEED, "--num_samples=3", "--num_frames=3", f"--to_caption={CAPTIONS[1]}"),
        *(f"--compare_with={baseline}", "--batch_size=2"),
    )


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def drawn(model):
    """What `generate` says of the captions with seed 5, from the second noise on."""
    return model.generate(CAPTIONS, seed=5, first_row=1, return_stages=True, return_attention=True)


def flags_of(*captions):
    return [f"--caption={caption}" for caption in captions]


def test_all_figures_of_a_model_are_drawn_by_default(looked):
    output, stdout = looked
    names = ("stages", "diversity", "interpolation", "architecture")
    names += tuple(f"{name}_{i:03d}" for name in ("attention", "memory") for i in (0, 1))
    files = {f"{name}.{ending}" for name in names for ending in ("png", "csv")}
    files |= {"memory_000_response.csv", "memory_001_response.csv"}
    assert {path.name for path in output.iterdir()} == files
    for path in output.glob("*.png"):
        assert str(path) in stdout
        with Image.open(path) as image:
            assert image.format == "PNG" and image.mode == "RGB" and image.width >= 600
            image.load()


def test_stages_are_those_that_generate_draws(looked, drawn):
    output, _ = looked
    with Image.open(output / "stages.png") as figure:
        assert figure.text["seed"] == "5" and figure.text["row"] == "1"
        assert figure.text["caption"] == "\n".join(CAPTIONS)
        for stage in drawn["stages"]:
            for picture in stage:
                assert position_of(figure, enlarged(picture, 192))
    rows = table(output / "stages.csv")
    places = [(row["row"], row["size"]) for row in rows]
    assert places == [("1", "16"), ("1", "32"), ("2", "16"), ("2", "32")]
    small, large = (stage[1].astype(int) for stage in drawn["stages"])
    change = np.abs(large - enlarged(small, 32)).mean()
    assert float(rows[3]["change"]) == pytest.approx(change) and rows[2]["change"] == ""


def test_diversity_shows_the_samples_that_sample_draws(looked, model):
    output, _ = looked
    repeated = [caption for caption in CAPTIONS for _ in range(3)]
    images = model.generate(repeated, seed=5, first_row=1, batch_size=2)
    with Image.open(output / "diversity.png") as figure:
        assert all(position_of(figure, enlarged(image, 128)) for image in images)
    distances = [np.abs(images[4].astype(int) - images[i]).mean() for i in (3, 5)]
    row = table(output / "diversity.csv")[4]
    assert row["caption"] == CAPTIONS[1] and row["row"] == "5"
    assert float(row["nearest"]) == pytest.approx(min(distances))
    assert float(row["mean"]) == pytest.approx(np.mean(distances))


def test_tables_of_words_hold_what_generate_returns(looked, drawn, vivid_model):
    output, stdout = looked
    for i, words in enumerate(drawn["words"]):
        scores = drawn["attention_scores"][0][i, ..., : len(words)]
        gates = drawn["word_gates"][0][i, : len(words)]
        for name in ("attention", "memory"):
            rows = table(output / f"{name}_{i:03d}.csv")
            rows = [row for row in rows if row.get("model", str(vivid_model)) == str(vivid_model)]
            assert [row["word"] for row in rows] == words
            np.testing.assert_allclose(column(rows, "attention_mean"), scores.mean((0, 1)), 1e-5)
            np.testing.assert_allclose(column(rows, "attention_max"), scores.max((0, 1)), 1e-6)
            np.testing.assert_allclose(column(rows, "writing_gate"), gates, 1e-6)
            order = np.argsort(-gates, kind="stable") + 1
            assert [int(row["position"]) for row in sorted(rows, key=by_writing)] == order.tolist()
        (response,) = table(output / f"memory_{i:03d}_response.csv")
        gate = drawn["response_gates"][0][i]
        for name in ("mean", "min", "max"):
            assert float(response[name]) == pytest.approx(getattr(gate, name)(), rel=1e-5)
        assert f"{gates[0]:.4f}" in stdout


def by_writing(row):
    return int(row["writing_rank"])


def test_memory_compares_a_model_with_another(looked, baseline, vivid_model):
    output, _ = looked
    rows = table(output / "memory_000.csv")
    ours = [row for row in rows if row["model"] == str(vivid_model)]
    theirs = [row for row in rows if row["model"] == str(baseline)]
    assert len(ours) == len(theirs) == 3 and len(rows) == 6
    assert all(row["writing_gate"] for row in ours)
    assert not any(row["writing_gate"] or row["writing_rank"] for row in theirs)
    model = DMGANTextToImage.from_preset(baseline)
    scores = model.generate(CAPTIONS[0], seed=5, first_row=1, return_attention=True)
    scores = scores["attention_scores"][0][0, ..., :3]
    np.testing.assert_allclose(column(theirs, "attention_mean"), scores.mean((0, 1)), 1e-5)
    assert {row["model"] for row in table(output / "memory_000_response.csv")} == {str(vivid_model)}


def test_walks_start_where_the_stages_end(looked, model):
    output, _ = looked
    first, next_noise = model.generate([CAPTIONS[0]] * 2, seed=5, first_row=1)
    rows = table(output / "interpolation.csv")
    walks = [f"{CAPTIONS[0]}: noise 1 to noise 2", f"{CAPTIONS[0]} → {CAPTIONS[1]}"]
    assert [row["walk"] for row in rows[:6]] == [walks[0]] * 3 + [walks[1]] * 3
    assert column(rows, "position") == [0, 0.5, 1] * 4
    figure = np.asarray(Image.open(output / "interpolation.png")).astype(int)
    for place, picture in ((0, first), (2, next_noise)):  # to within a level: another batch
        left, top = 20 + place * 138, 73
        shown = figure[top : top + 128, left : left + 128]
        np.testing.assert_allclose(shown, enlarged(picture, 128), atol=1)


def test_the_architecture_is_that_of_the_model(looked, model, vivid_model):
    output, stdout = looked
    counts = {row["part"]: int(row["parameters"]) for row in table(output / "architecture.csv")}
    stage = model.generator.refinement_stages[0]
    trained = sum(np.prod(weight.shape) for weight in stage.trainable_weights)
    assert counts["generator.refinement_stages[0]"] == trained
    assert "GatedResponse" in stdout
    with Image.open(output / "architecture.png") as figure:
        assert figure.text == {"model": str(vivid_model)}


def test_the_same_flags_write_the_same_bytes(looked, visualize):
    again, _ = visualize(
        *flags_of(*CAPTIONS), *SEED, "--batch_size=2", "--figure=attention", "--figure=stages"
    )
    for path in again.iterdir():
        assert path.read_bytes() == (looked[0] / path.name).read_bytes(), path.name


def test_words_are_ranked_as_asked(visualize, monkeypatch):
    drawn_by = []
    monkeypatch.setattr(
        command,
        "memory_figure",
        lambda drawings, labels, **options: drawn_by.append(options) or Image.new("RGB", (1, 1)),
    )
    arguments = ("--figure=memory", "--rank_by=peaks", "--num_words=2")
    _, stdout = visualize(*flags_of(CAPTIONS[0]), *arguments)
    assert drawn_by[0]["by"] == "peaks" and drawn_by[0]["num_words"] == 2


def test_a_model_of_one_stage_gets_the_figures_that_it_has(visualize, one_stage):
    output, _ = visualize(*flags_of("a red disc"), "--num_frames=2", model=one_stage)
    drawn = sorted(path.stem for path in output.glob("*.png"))
    assert drawn == ["architecture", "diversity", "interpolation", "stages"]


def test_the_architecture_needs_no_caption(visualize, one_stage):
    output, _ = visualize("--figure=architecture", model=one_stage)
    assert {path.name for path in output.iterdir()} == {"architecture.png", "architecture.csv"}


def test_captions_of_any_script_are_written(visualize):
    caption = "red disc 中文 हिन्दी $\\frac{ \x07 عربي"
    output, stdout = visualize(*flags_of(caption), "--figure=attention", "--figure=stages")
    assert [row["word"] for row in table(output / "attention_000.csv")] == ["red", "disc"]
    with Image.open(output / "stages.png") as figure:
        assert figure.text["caption"] == caption
    assert "中文" in stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--caption="),
        (["--figure=architecture", "--figure=stages"], "--caption="),
        (["--caption= "], "Expected words in each caption"),
        (["--caption=red", "--to_caption="], "Expected words in each caption"),
        (["--caption=zeppelin"], "zeppelin"),
        (["--caption=red", "--to_caption=zeppelin", "--figure=interpolation"], "zeppelin"),
        (["--caption=red", "--figure=walk"], "walk"),
        (
            ["--caption=red", "--num_frames=1"],
            "--num_frames (an integer in the range [2, 32]). Received: '1'",
        ),
        (["--caption=red", "--num_samples=0"], "--num_samples"),
        (["--caption=red", "--num_words=0"], "--num_words"),
        (["--caption=red", "--first_row=4294967295"], "--first_row"),
        (["--caption=red", "--seed=-1"], "seed"),
        (["--caption=red", "--rank_by=gate"], "rank_by"),
        (["--caption=red", "--compare_with=nowhere"], "nowhere"),
        (["--caption=red", "--model=m", "--compare_with=m"], "another model than --model"),
        (["--caption=red", "--figure=stages", "--compare_with=m"], "--figure=memory with"),
        (["--caption=red", "--figure=stages", "--to_caption=blue"], "--figure=interpolation with"),
    ],
)
def test_bad_input_is_one_line(error_line, vivid_model, tmp_path, arguments, message):
    output = tmp_path / "figures"
    line = error_line("visualize", f"--model={vivid_model}", f"--output={output}", *arguments)
    assert message in line
    assert not output.exists()


def test_a_model_is_asked_for(error_line):
    assert "--model=MODEL" in error_line("visualize", "--caption=red")
    assert "nowhere" in error_line("visualize", "--model=nowhere", "--caption=red")


def test_a_figure_that_a_model_cannot_have_is_refused(error_line, one_stage, tmp_path):
    line = error_line(
        "visualize",
        *(f"--model={one_stage}", f"--output={tmp_path / 'figures'}", "--caption=a red disc"),
        *("--figure=stages", "--figure=memory"),
    )
    assert "a model of one stage" in line
    assert not (tmp_path / "figures").exists()


def test_without_matplotlib_nothing_is_loaded(error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = error_line("visualize", "--model=nowhere", "--caption=red")
    assert "pip install matplotlib" in line
