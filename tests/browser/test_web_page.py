"""The page that draws without a server, in a real headless Chromium: `make test-browser`."""

import base64
import contextlib
import io
import re
import shutil

import demo_browser
import numpy as np
import pytest
from demo_browser import HostOfFiles, served
from PIL import Image

from dmgan_tf import DMGANTextToImage
from dmgan_tf.errors import InputError
from dmgan_tf.web.runtime import WASM
from dmgan_tf.web.site import export_web

pytestmark = pytest.mark.slow

TIMEOUT = 60_000  # milliseconds; a busy machine draws slowly
CAPTION = "a red disc"
UNKNOWN = "a crimson <b>disc</b> {{red}} ${1+1} & so on"
WORDS_READ = 12


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def folder(vivid_model, tmp_path_factory):
    """The page of the vivid model."""
    missing = demo_browser.what_is_missing() or (
        None if shutil.which("npm") else "needs npm: apt install npm"
    )
    if missing:
        pytest.skip(missing)
    try:
        return export_web(
            vivid_model, tmp_path_factory.mktemp("web") / "site", caption_length=WORDS_READ
        )
    except InputError as error:
        if "npm could not fetch" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as url:
        yield url


@pytest.fixture(scope="module")
def chrome(folder):
    with demo_browser.browser() as chrome:
        yield chrome


@pytest.fixture
def visit(chrome, address):
    """Opens the page for a visitor of its own; at the end, nothing must have gone wrong in it."""
    wrong = []
    with contextlib.ExitStack() as stack:

        def open_page(url=address, before=None, wait_for=".dm-stage", **settings):
            context = chrome.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
            stack.callback(context.close)
            if before:
                context.add_init_script(before)
            page = context.new_page()
            page.set_default_timeout(TIMEOUT)
            page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
            page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
            context.on(
                "request",
                lambda request: (
                    wrong.append(f"request: {request.url}")
                    if not request.url.startswith((url, "data:"))
                    else None
                ),
            )
            page.goto(url)
            page.wait_for_selector(wait_for)
            return page

        yield open_page
    assert wrong == []


def ask(page, caption=None, seed=None, samples=None):
    """Fills the form in and presses Draw, without waiting for the answer."""
    for name, value in (("caption", caption), ("seed", seed), ("samples", samples)):
        if value is not None:
            page.locator(f"input[name={name}]").fill(str(value))
    page.get_by_role("button", name="Draw", exact=True).click()


def drawn(page, caption, seed):
    """Waits until all samples of a caption are there."""
    page.locator(".dm-caption", has_text=re.compile(f"^{re.escape(caption)}$")).wait_for()
    page.locator("h3", has_text=re.compile(f"seed {seed}$")).first.wait_for(state="attached")
    page.locator("#status", has_text="drawn on this device").wait_for()


def pixels(locator):
    """The picture of each `img`, as the page wrote it."""
    sources = locator.evaluate_all("images => images.map(image => image.src)")
    files = [io.BytesIO(base64.b64decode(source.partition(",")[2])) for source in sources]
    return np.stack([np.asarray(Image.open(file)) for file in files])


def assert_drawn(pictures, expected):
    """To two levels of 255; the weights are stored in float16."""
    np.testing.assert_allclose(np.int16(pictures), expected, atol=2)


@pytest.mark.parametrize(
    ("caption", "seed", "samples"),
    [(CAPTION, 0, 1), ("The square is BLUE!", 2**32 - 1, 8), ("a disc " * 6, 7, 2)],
)
def test_pictures_of_all_stages_are_those_of_generate(visit, model, caption, seed, samples):
    page = visit()
    ask(page, caption, seed, samples)
    drawn(page, caption.strip(), seed)
    stages = model.generate([caption] * samples, seed=seed, return_stages=True)["stages"]
    assert np.ptp(stages[-1].astype(int)) > 100
    for number, stage in enumerate(stages):
        images = page.locator(f".dm-sample .dm-stage:nth-of-type({number + 1}) img")
        assert_drawn(pixels(images), stage)
    if samples > 1:
        assert_drawn(pixels(page.locator(".dm-thumbnail img")), stages[-1])


def test_the_next_seed_the_enter_key_and_an_example_draw(visit, model):
    page = visit()
    page.get_by_role("button", name="Next seed").click()
    example = page.locator("input[name=caption]").input_value()
    drawn(page, example, 1)
    page.locator("input[name=caption]").fill(CAPTION)
    page.locator("input[name=caption]").press("Enter")
    drawn(page, CAPTION, 1)
    assert_drawn(pixels(page.locator(".dm-thumbnail img")), model.generate([CAPTION] * 4, seed=1))
    other = page.locator(".web-example").nth(1)
    words = other.inner_text()
    other.click()
    drawn(page, words, 1)
    page.locator(".dm-thumbnail").nth(2).click()
    assert "Sample 3" in page.locator(".dm-sample:visible h3").first.inner_text()


def test_pointing_and_the_arrow_keys_name_the_word_that_drives_a_place(visit, model):
    page = visit()
    ask(page, CAPTION, seed=1, samples=1)
    drawn(page, CAPTION, 1)
    result = model.generate([CAPTION], seed=1, return_attention=True)
    scores, words = result["attention_scores"][0][0], result["words"][0]
    first = scores[..., : len(words)].argmax(axis=-1)
    side = first.shape[0]
    stage = page.locator(".dm-read").first
    picture = stage.locator(".dm-picture")
    for y, x in ((0, 0), (side // 2, side // 2), (side - 1, 0)):
        picture.hover(position={"x": (x + 0.5) * 256 / side, "y": (y + 0.5) * 256 / side})
        assert stage.locator(".dm-bubble").inner_text() == words[first[y, x]]
    picture.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert stage.locator(".dm-bubble").inner_text() == words[first[side - 2, 3]]
    page.locator(".dm-caption .dm-word", has_text="disc").focus()
    assert page.locator(".dm-lit").all_inner_texts() == ["disc"]
    reading = stage.locator(".dm-reading").inner_text()
    assert re.fullmatch(r"disc: \d+ % of the attention", reading)


def test_the_ranking_of_words_is_that_of_the_memory(visit, model):
    page = visit()
    ask(page, CAPTION, seed=1, samples=1)
    drawn(page, CAPTION, 1)
    result = model.generate([CAPTION], seed=1, return_attention=True)
    words = result["words"][0]
    writing, reading = page.locator(".dm-list").all()[:2]
    gates = result["word_gates"][0][0, : len(words)]
    means = result["attention_scores"][0][0, ..., : len(words)].mean(axis=(0, 1))
    for shown, values in ((writing, gates), (reading, means)):
        names = shown.locator("li span:first-of-type").all_inner_texts()
        assert names == [words[place] for place in np.argsort(-values, kind="stable")]
        percent = float(shown.locator("li span").nth(1).inner_text().removesuffix(" %"))
        assert percent == pytest.approx(100 * values.max(), abs=0.1)


def test_unknown_words_are_struck_through_and_markup_stays_text(visit):
    page = visit()
    ask(page, UNKNOWN)
    drawn(page, UNKNOWN, 0)
    unknown = page.locator(".dm-unknown")
    assert unknown.all_inner_texts() == ["crimson", "b", "b", "1", "1", "so", "on"]


def test_of_a_thousand_words_the_first_are_read(visit, model):
    page = visit()
    ask(page, "disc " * 1000, samples=1)
    page.locator(".dm-note", has_text=f"only the first {WORDS_READ} known words").wait_for()
    page.locator("#status", has_text="One picture").wait_for()
    assert page.locator(".dm-caption .dm-word").count() == WORDS_READ
    expected = model.generate(["disc " * WORDS_READ])
    assert_drawn(pixels(page.locator(".dm-stage img").last), expected)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"caption": " "}, "The caption is empty"),
        ({"caption": "zeppelin <img src=y onerror=alert(1)>"}, "none of these words. Try: "),
        ({"caption": "🍎🎈"}, "emoji"),
        ({"caption": "x" * 10_000}, "none of these words"),
        ({"caption": CAPTION, "seed": ""}, "Received: nothing"),
        ({"caption": CAPTION, "seed": "1.5"}, "Received: 1.5"),
        ({"caption": CAPTION, "seed": "99999999999"}, "4294967295"),
    ],
)
def test_nonsense_gets_one_message_and_the_next_caption_a_picture(visit, fields, part):
    page = visit()
    ask(page, **fields)
    page.locator(".dm-message").wait_for()
    assert page.locator(".dm-message").count() == 1 and not page.locator(".dm-stage").count()
    assert part in page.locator(".dm-message").inner_text()
    ask(page, CAPTION, seed=0)
    drawn(page, CAPTION, 0)


def test_without_a_connection_a_second_visit_draws_other_words(visit, folder, model):
    with served(folder) as url:
        page = visit(url)
        page.locator("#offline").wait_for()
        # The large files came once only.
        asked = [line.split()[1] for line in HostOfFiles.log]
        assert asked.count(f"/{WASM}") == asked.count("/model/model.tflite") == 1
    page.reload()  # nobody answers there any more
    page.wait_for_selector(".dm-stage")
    ask(page, "the square is blue", seed=5, samples=1)
    drawn(page, "the square is blue", 5)
    expected = model.generate(["the square is blue"], seed=5)
    assert_drawn(pixels(page.locator(".dm-stage img").last), expected)


def test_on_a_phone_everything_fits_and_a_tap_names_the_word(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    ask(page, CAPTION)
    drawn(page, CAPTION, 0)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    last = page.locator(".dm-sample:visible .dm-stage").last
    assert last.locator("img").bounding_box()["width"] >= 256
    last.locator(".dm-picture").tap()
    assert last.locator(".dm-bubble").inner_text() in CAPTION.split()


def test_a_browser_without_simd_is_told_so(visit):
    page = visit(before="WebAssembly.validate = () => false", wait_for=".dm-message")
    assert "lacks WebAssembly SIMD" in page.locator(".dm-message").inner_text()
    ask(page, CAPTION)
    assert page.locator(".dm-message").count() == 1


@pytest.mark.parametrize(
    ("path", "change", "part"),
    [
        (WASM, "missing", f"{WASM} is missing from this site (status 404)"),
        ("model/model.tflite", "missing", "model/model.tflite is missing"),
        ("model/vocabulary.txt", "missing", "model/vocabulary.txt is missing"),
        ("model/model.tflite", "cut", "model/model.tflite is not the file that was exported"),
        (WASM, "other", f"{WASM} is not the file that was exported"),
        ("runtime/litert.js", "missing", "runtime/litert.js"),
        ("worker.js", "missing", "worker.js cannot be run"),
    ],
)
def test_a_file_that_is_missing_or_another_is_named_in_one_line(
    visit, folder, tmp_path, path, change, part
):
    copy = tmp_path / "site"
    shutil.copytree(folder, copy)
    content = (copy / path).read_bytes()
    if change == "missing":
        (copy / path).unlink()
    else:
        cut = content[:1000]
        (copy / path).write_bytes(cut if change == "cut" else cut + bytes(len(content) - 1000))
    with served(copy) as url:
        page = visit(url, wait_for=".dm-message")
        assert part in page.locator(".dm-message").inner_text()
        ask(page, CAPTION)
        assert page.locator(".dm-message").count() == 1


def test_the_noise_in_this_browser_is_that_of_numpy(visit):
    keys = np.random.default_rng(1).integers(0, 2**32, (1000, 2)).tolist()
    program = """async (keys) => {
      const { noiseOf } = await import("./noise.js");
      return keys.map(([seed, row]) => Array.from(noiseOf(seed, row, 20)));
    }"""
    made = visit().evaluate(program, keys)
    expected = [np.random.RandomState(key).standard_normal(20) for key in keys]
    np.testing.assert_array_max_ulp(np.float32(made), np.float32(expected), maxulp=1)
