"""The `sample` command, on a tiny model that has learned nothing."""

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.sample import gather_captions, slug, write_samples
from dmgan_tf.serving.fast import FastGenerator
from dmgan_tf.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def model():
    vocabulary = Vocabulary(["a", "red", "green", "apple"])
    text_encoder = TextEncoder(len(vocabulary), word_dim=8, embedding_dim=6)
    generator = Generator(
        channels=4,
        noise_dim=5,
        condition_dim=5,
        word_dim=8,
        memory_dim=4,
        num_residual_blocks=1,
        base_size=16,
        num_stages=2,
    )
    text_encoder.build()
    generator.build()
    return DMGANTextToImage(vocabulary, text_encoder, generator)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_writes_a_picture_a_sample_and_a_sheet(model, tmp_path):
    captions = ["a red apple", "A GREEN apple!"]
    sheet = write_samples(model, captions, tmp_path, model_name="tiny", num_samples=2, seed=3)
    assert sheet == tmp_path / "sheet.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000_a-red-apple_0.png",
        "000_a-red-apple_1.png",
        "001_a-green-apple_0.png",
        "001_a-green-apple_1.png",
        "sheet.png",
    ]
    repeated = [captions[0]] * 2 + [captions[1]] * 2
    expected = model.generate(repeated, seed=3)
    np.testing.assert_array_equal(pixels(tmp_path / "000_a-red-apple_1.png"), expected[1])
    np.testing.assert_array_equal(pixels(tmp_path / "001_a-green-apple_0.png"), expected[2])
    assert np.any(expected[0] != expected[1])
    with Image.open(tmp_path / "001_a-green-apple_1.png") as image:
        assert image.text == {
            "caption": "A GREEN apple!",
            "seed": "3",
            "row": "3",
            "model": "tiny",
        }


def test_stages_are_written_and_shown(model, tmp_path):
    without = write_samples(model, ["a red apple"], tmp_path / "without", num_samples=1)
    with_stages = write_samples(
        model, ["a red apple"], tmp_path / "with", num_samples=1, stages=True
    )
    assert sorted(path.name for path in with_stages.parent.iterdir()) == [
        "000_a-red-apple_0.png",
        "000_a-red-apple_0_16px.png",
        "sheet.png",
    ]
    name = "000_a-red-apple_0.png"
    assert pixels(with_stages.parent / name).shape == (32, 32, 3)
    np.testing.assert_array_equal(pixels(with_stages.parent / name), pixels(without.parent / name))
    assert pixels(with_stages).shape[1] > pixels(without).shape[1]


def test_batches_are_written_as_they_are_drawn(model, tmp_path, monkeypatch):
    captions = ["a red apple", "a green apple"]
    sizes, whole = [], model.generate

    def watched(part, **options):
        drawn = len(list(tmp_path.glob("0*.png")))
        sizes.append((len(part), drawn))
        return whole(part, **options)

    monkeypatch.setattr(model, "generate", watched)
    write_samples(model, captions, tmp_path, num_samples=3, seed=2, batch_size=4)
    assert sizes == [(4, 0), (2, 4)]
    expected = whole([captions[0]] * 3 + [captions[1]] * 3, seed=2)
    for row in range(6):
        (path,) = tmp_path.glob(f"{row // 3:03d}_*_{row % 3}.png")
        np.testing.assert_allclose(pixels(path).astype(int), expected[row].astype(int), atol=1)


def test_a_sheet_of_very_many_samples_shows_the_first(model, tmp_path, monkeypatch):
    monkeypatch.setattr("dmgan_tf.sample._LARGEST_SHEET", 3)
    captions = ["a red apple", "a green apple", "a apple"]
    cut = write_samples(model, captions, tmp_path / "cut", num_samples=2, batch_size=5)
    one = write_samples(model, captions[:1], tmp_path / "one", num_samples=2)
    assert len(list(cut.parent.glob("0*.png"))) == 6
    assert pixels(cut).shape[1] == pixels(one).shape[1]


def test_caption_without_a_known_word_is_named(model, tmp_path):
    with pytest.raises(InputError, match="zeppelin"):
        write_samples(model, ["a red apple", "zeppelin"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_captions_of_flags_come_before_those_of_the_file(tmp_path):
    path = tmp_path / "captions.txt"
    path.write_bytes("\ufeffa red apple\r\n\n  ein Äpfelchen \n".encode())
    assert gather_captions(["first"], str(path)) == ["first", "a red apple", "ein Äpfelchen"]


def test_lines_of_a_captions_file_end_at_line_feeds_alone(tmp_path):
    captions = ["a\u2028red\x85apple\x0ba\x0cbird", "a\rred\x1cdisc"]
    path = tmp_path / "captions.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes(end.join([*captions, "", ""]).encode())
        assert gather_captions([], str(path)) == captions


def test_unusable_captions_are_refused(tmp_path):
    empty, latin = tmp_path / "empty.txt", tmp_path / "latin.txt"
    empty.write_text("\n \n")
    latin.write_bytes("Äpfel".encode("latin-1"))
    for captions, path, message in (
        ([], None, "--caption"),
        ([" "], None, "Received: ' '"),
        ([], tmp_path / "missing.txt", "No captions file at .*missing.txt"),
        ([], tmp_path, "No captions file"),
        ([], empty, "No caption in .*empty.txt"),
        ([], latin, "UTF-8 text in .*latin.txt.*0xc4 at offset 0"),
    ):
        with pytest.raises(InputError, match=message):
            gather_captions(captions, path and str(path))


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A flat drawing, of a red apple.", "a-flat-drawing-of-a-red-apple"),
        ("../../etc/passwd", "etc-passwd"),
        ("красное яблоко", "красное-яблоко"),
        ("!?\ud800", "caption"),
        ("word " * 40, "-".join(["word"] * 12)),
    ],
)
def test_slugs_are_safe_and_short(caption, expected):
    assert slug(caption) == expected


def test_slug_is_cut_between_characters():
    assert slug("я" * 100) == "я" * 30


def test_command_draws_from_a_run_directory(model, tmp_path, run_command):
    model.save_to_preset(tmp_path / "run" / "model")
    captions_file = tmp_path / "captions.txt"
    captions_file.write_text("a red apple\na green apple\n")
    output = tmp_path / "out"
    status, stdout, stderr = run_command(
        "sample",
        f"--model={tmp_path / 'run'}",
        f"--captions_file={captions_file}",
        "--num_samples=1",
        "--seed=5",
        f"--output={output}",
    )
    assert status == 0, stderr
    assert stdout.splitlines()[-1] == str(output / "sheet.png")
    expected = model.generate(["a red apple", "a green apple"], seed=5)
    drawn = pixels(output / "001_a-green-apple_0.png")
    np.testing.assert_allclose(drawn.astype(int), expected[1].astype(int), atol=1)


@pytest.mark.parametrize(
    ("flags", "tolerance"),
    [(["--fast"], 1), (["--precision=bfloat16"], 8), (["--fast", "--precision=bfloat16"], 8)],
)
def test_command_draws_fast_and_in_another_precision(
    model, tmp_path, run_command, monkeypatch, flags, tolerance
):
    model.save_to_preset(tmp_path / "model")
    generators = []
    draw = DMGANTextToImage.generate
    monkeypatch.setattr(
        DMGANTextToImage,
        "generate",
        lambda self, *rest, **options: (
            generators.append(self.generator) or draw(self, *rest, **options)
        ),
    )
    status, _, stderr = run_command(
        "sample",
        *(f"--model={tmp_path / 'model'}", "--caption=a red apple", "--num_samples=2"),
        *(f"--output={tmp_path / 'out'}", "--seed=5", *flags),
    )
    assert status == 0, stderr
    (generator,) = generators
    assert isinstance(generator, FastGenerator) == ("--fast" in flags)
    assert (generator.compute_dtype == "bfloat16") == ("--precision=bfloat16" in flags)
    expected = draw(model, ["a red apple"] * 2, seed=5)
    for row in (0, 1):
        drawn = pixels(tmp_path / "out" / f"000_a-red-apple_{row}.png").astype(int)
        np.testing.assert_allclose(drawn, expected[row].astype(int), atol=tolerance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--caption=a"], "--model=MODEL"),
        (["--model=m"], "--captions_file=FILE"),
        (["--model=m", "--caption=a", "--num_samples=0"], "--num_samples of at least 1"),
        (["--model=m", "--captions_file=nowhere.txt"], "nowhere.txt"),
    ],
)
def test_bad_input_is_one_line(error_line, arguments, message):
    assert message in error_line("sample", *arguments)


@pytest.mark.parametrize(
    "caption",
    [
        "red \u7ea2\u8272 \u0645\u0631\u0628\u0639 \U0001f426 e\u0301",
        "red \0 \x1b[31m apple \u202e \ufeff\x7f",
        "../../red/apple",
        "red " + "x" * 5000,
        "RED\u2028apple\x85",
        "apple " * 900,
        "red \udcff apple",
    ],
)
def test_pictures_of_odd_captions_are_whole_and_say_them(model, tmp_path, caption):
    sheet = write_samples(model, [caption, "a red apple"], tmp_path / "out", num_samples=1)
    (odd, plain, _) = sorted(sheet.parent.iterdir())
    assert plain.name == "001_a-red-apple_0.png" and odd.parent == tmp_path / "out"
    with Image.open(odd) as image:
        image.load()
        assert image.text["caption"] == caption.encode("utf-8", "replace").decode()
    assert pixels(sheet).ndim == 3


def test_a_caption_of_ten_thousand_words_is_cut_and_told_of_once(model, tmp_path, caplog):
    start, book = "red apple " * 128, "red apple " * 6000
    write_samples(model, [book], tmp_path / "book", num_samples=2)
    assert sum("the first 256 known words" in message for message in caplog.messages) == 1
    write_samples(model, [start], tmp_path / "start", num_samples=2)
    (book_sheet, book_0, _), (start_sheet, start_0, _) = (
        sorted(path for path in (tmp_path / name).iterdir())[::-1] for name in ("book", "start")
    )
    np.testing.assert_array_equal(pixels(book_0), pixels(start_0))
    assert pixels(book_sheet).shape == pixels(start_sheet).shape


def test_an_unknown_caption_of_ten_thousand_words_is_one_line(model, tmp_path):
    with pytest.raises(InputError, match="zeppelin zeppelin.*\\.\\.\\.") as caught:
        write_samples(model, ["zeppelin " * 10_000], tmp_path / "out")
    assert len(str(caught.value)) < 500 and not (tmp_path / "out").exists()


def test_long_captions_are_drawn_fewer_at_once(model, tmp_path, monkeypatch):
    sizes, whole = [], model.generate

    def watched(part, **options):
        sizes.append(len(part))
        return whole(part, **options)

    monkeypatch.setattr(model, "generate", watched)
    write_samples(model, ["apple " * 256, "red"], tmp_path, num_samples=2, batch_size=8)
    assert sizes == [2, 2]


def test_pictures_beyond_number_are_refused(model, tmp_path):
    with pytest.raises(InputError, match="at most 1000000 pictures. Received: 2 captions"):
        write_samples(model, ["red", "green"], tmp_path / "out", num_samples=10**9)
    assert not (tmp_path / "out").exists()
