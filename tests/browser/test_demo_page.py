"""The demo as visitors meet it, in a real headless Chromium: `make test-browser`."""

import base64
import contextlib
import io
import re

import demo_browser
import numpy as np
import pytest
from PIL import Image

from dmgan_tf import DMGANTextToImage

pytestmark = pytest.mark.slow

TIMEOUT = 60_000  # milliseconds; a busy machine draws slowly
CAPTION = "a red disc"
UNKNOWN = "a crimson <b>disc</b> {{red}} ${1+1} & so on"


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def address(vivid_model):
    """Where the command shows the page of the vivid model."""
    missing = demo_browser.what_is_missing(demo_browser.GRADIO)
    if missing:
        pytest.skip(missing)
    with demo_browser.demo(vivid_model) as url:
        yield url


@pytest.fixture(scope="module")
def chrome(address):
    with demo_browser.browser() as chrome:
        yield chrome


@pytest.fixture
def visit(chrome, address):
    """Opens the page for a visitor of its own; at the end, nothing must have gone wrong in it."""
    wrong = []
    with contextlib.ExitStack() as stack:

        def open_page(**settings):
            context = chrome.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(TIMEOUT)
            page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
            page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
            page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
            page.on(
                "request",
                lambda request: (
                    wrong.append(f"request: {request.url}")
                    if not request.url.startswith((address, "data:", "blob:"))
                    else None
                ),
            )
            page.goto(address)
            page.wait_for_selector(".dm-stage")
            return page

        yield open_page
    assert wrong == []


def ask(page, caption=None, seed=None, samples=None):
    """Fills the form in and presses Draw, without waiting for the answer."""
    for label, value in (
        ("Caption", caption),
        ("Seed", seed),
        ("number input for Samples", samples),
    ):
        if value is not None:
            page.get_by_label(label).fill(str(value))
    page.get_by_role("button", name="Draw", exact=True).click()


def shown_caption(page, caption):
    """Waits until the answer to a caption is there."""
    page.locator(".dm-caption", has_text=re.compile(f"^{re.escape(caption)}$")).wait_for()


def pixels(locator):
    """The picture of each `img`, as it was sent."""
    sources = locator.evaluate_all("images => images.map(image => image.src)")
    files = [io.BytesIO(base64.b64decode(source.partition(",")[2])) for source in sources]
    return np.stack([np.asarray(Image.open(file)) for file in files])


def thumbnails(page):
    return pixels(page.locator(".dm-thumbnail img"))


def assert_drawn(pictures, expected):
    """Another process may round otherwise, by a level of 255."""
    np.testing.assert_allclose(np.int16(pictures), expected, atol=1)


def test_a_caption_gives_pictures_and_another_seed_others(visit, model):
    page = visit()
    ask(page, "the square is blue", seed=3, samples=3)
    shown_caption(page, "the square is blue")
    first = thumbnails(page)
    assert_drawn(first, model.generate(["the square is blue"] * 3, seed=3))

    ask(page, seed=4)
    page.locator("h3", has_text="seed 4").first.wait_for()
    assert_drawn(thumbnails(page), model.generate(["the square is blue"] * 3, seed=4))
    assert np.abs(np.int16(thumbnails(page)) - first).max() > 16

    page.get_by_role("button", name="Next seed").click()
    page.locator("h3", has_text="seed 5").first.wait_for()
    assert page.get_by_label("Seed").input_value() == "5"
    ask(page, seed=3)
    page.locator("h3", has_text="seed 3").first.wait_for()
    np.testing.assert_array_equal(thumbnails(page), first)


def test_the_enter_key_and_an_example_draw(visit):
    page = visit()
    page.get_by_label("Caption").fill(CAPTION)
    page.get_by_label("Caption").press("Enter")
    shown_caption(page, CAPTION)
    example = page.locator("button.gallery-item, .gallery-item").nth(1)
    words = example.inner_text()
    assert words != CAPTION
    example.click()
    shown_caption(page, words)
    assert page.get_by_label("Caption").input_value() == words


def test_a_chosen_sample_shows_its_stages(visit, model):
    page = visit()
    ask(page, CAPTION, seed=1, samples=3)
    shown_caption(page, CAPTION)
    stages = model.generate([CAPTION] * 3, seed=1, return_stages=True)["stages"]
    for chosen in (2, 0):
        page.locator(".dm-thumbnail").nth(chosen).click()
        visible = page.locator(".dm-sample:visible")
        assert visible.count() == 1 and f"Sample {chosen + 1}" in visible.inner_text()
        images = visible.locator(".dm-picture img")
        assert images.count() == len(stages)
        for number, stage in enumerate(stages):
            assert_drawn(pixels(images.nth(number))[0], stage[chosen])
            # Side by side, and enlarged in whole steps.
            assert images.nth(number).bounding_box()["width"] == 256


def test_pointing_at_a_place_names_the_word_that_drives_it(visit, model):
    page = visit()
    ask(page, CAPTION, seed=1, samples=2)
    shown_caption(page, CAPTION)
    page.locator(".dm-thumbnail").nth(1).click()
    result = model.generate([CAPTION] * 2, seed=1, return_attention=True)
    scores, words = result["attention_scores"][0][1], result["words"][1]
    shares = np.sort(scores[..., : len(words)], axis=-1)
    clear = shares[..., -1] - shares[..., -2]  # where rounding cannot change the first word
    first = scores[..., : len(words)].argmax(axis=-1)
    stage = page.locator(".dm-sample:visible .dm-read")
    picture, side = stage.locator(".dm-picture"), first.shape[0]
    for place in np.unique(first):
        y, x = np.unravel_index(np.argmax(np.where(first == place, clear, -1)), first.shape)
        position = {"x": (x + 0.5) * 256 / side, "y": (y + 0.5) * 256 / side}
        for act in (picture.hover, picture.click):
            act(position=position)
            assert stage.locator(".dm-bubble").inner_text() == words[place]
            percent = round(100 * float(scores[y, x, place]))
            said = stage.locator(".dm-reading").inner_text()
            word, share = said.split(" %")[0].rsplit(" ", 1)
            assert word == words[place] and abs(int(share) - percent) <= 1
            assert page.locator(".dm-lit").all_inner_texts() == [words[place]]
        region = stage.locator("canvas").evaluate(
            "canvas => [...canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data]"
        )
        lit = np.reshape(region, (side, side, 4))[..., 3] == 0
        assert lit[y, x] and np.mean(lit == (first == place)) > 0.95
    page.get_by_label("Seed").hover()
    assert not stage.locator(".dm-bubble").is_visible() and not page.locator(".dm-lit").count()


def test_pointing_at_a_word_shows_where_it_is_read(visit):
    page = visit()
    ask(page, CAPTION)
    shown_caption(page, CAPTION)
    page.locator(".dm-caption .dm-word", has_text="red").hover()
    reading = page.locator(".dm-sample:visible .dm-reading").last.inner_text()
    assert re.fullmatch(r"red: \d+ % of the attention", reading)
    page.locator(".dm-caption .dm-word", has_text="disc").focus()
    assert page.locator(".dm-lit").all_inner_texts() == ["disc"]


def test_unknown_words_are_struck_through_and_markup_stays_text(visit):
    page = visit()
    ask(page, UNKNOWN)
    shown_caption(page, UNKNOWN)
    unknown = page.locator(".dm-unknown")
    assert unknown.all_inner_texts() == ["crimson", "b", "b", "1", "1", "so", "on"]
    style = unknown.first.evaluate("word => getComputedStyle(word).textDecorationLine")
    assert style == "line-through"
    assert page.locator(".dm-thumbnail img").count() == 4


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"caption": ""}, "The caption is empty"),
        ({"caption": "zeppelin <img src=y onerror=alert(1)>"}, "none of these words"),
        ({"caption": "🍎🎈"}, "emoji"),
        ({"caption": "x" * 10_000}, "none of these words"),
        ({"caption": CAPTION, "seed": ""}, "the seed"),
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
    assert not page.locator(".toast-body").count()
    assert "Traceback" not in page.locator("body").inner_text()
    ask(page, CAPTION, seed=0)
    shown_caption(page, CAPTION)
    page.locator(".dm-stage").first.wait_for()


def test_visitors_at_once_get_their_own_pictures(visit, model):
    visitors = {("a red disc", 1): visit(), ("the square is blue", 2): visit()}
    for round_ in range(3):
        for (caption, seed), page in visitors.items():
            ask(page, caption, seed + 10 * round_, samples=2)
        for (caption, seed), page in visitors.items():
            seed += 10 * round_
            page.locator("h3", has_text=re.compile(f"seed {seed}$")).first.wait_for()
            shown_caption(page, caption)
            assert_drawn(thumbnails(page), model.generate([caption] * 2, seed=seed))


def test_on_a_phone_everything_fits_and_a_tap_names_the_word(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    ask(page, CAPTION)
    shown_caption(page, CAPTION)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    last = page.locator(".dm-sample:visible .dm-stage").last
    assert last.locator("img").bounding_box()["width"] >= 256
    last.locator(".dm-picture").tap()
    assert last.locator(".dm-bubble").inner_text() in CAPTION.split()
