"""Answers: the pictures of `generate`, one message for nonsense, and to everybody their own."""

import base64
import concurrent.futures
import io
import logging
import re

import numpy as np
import pytest
from PIL import Image

from dmgan_tf import DMGANTextToImage
from dmgan_tf.demo.answer import Answerer


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def answer(model):
    return Answerer(model, ["a red disc"])


def thumbnails(markup):
    gallery = markup.split("<section")[0]
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', gallery)
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found])


def messages(markup):
    return re.findall(r'<p class="dm-message" role="alert">(.*?)</p>', markup)


def test_samples_are_those_of_the_sample_command(answer, model):
    expected = model.generate(["a red disc"] * 3, seed=7)
    np.testing.assert_array_equal(thumbnails(answer("a red disc", 7, 3)), expected)


def test_unknown_words_change_nothing_and_are_not_logged(answer, caplog):
    with caplog.at_level(logging.WARNING):
        markup = answer("a RED zeppelin-disc!", 7.0, 2)
    np.testing.assert_array_equal(thumbnails(markup), thumbnails(answer("a red disc", 7, 2)))
    assert '<s class="dm-unknown"' in markup and not messages(markup)
    assert "zeppelin" not in caplog.text


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (("", 0, 4), "empty"),
        ((None, 0, 4), "empty"),
        (("zeppelin <b>", 0, 4), "Try: a red disc"),
        (("🍎", 0, 4), "emoji"),
        (("a red disc", None, 4), "the seed"),
        (("a red disc", 2**32, 4), "4294967295"),
        (("a red disc", 0, 9), "the number of samples"),
        (("a red disc", 0, "<script>"), "&lt;script&gt;"),
    ],
)
def test_nonsense_gets_one_message_and_no_picture(answer, request_, part):
    markup = answer(*request_)
    (message,) = messages(markup)
    assert part in message and "<img" not in markup


def test_what_is_beyond_the_limit_is_cut_and_said(answer, caplog):
    markup = answer("a red disc " * 10_000, 7, 2)
    (note,) = re.findall('<p class="dm-note">(Cut: .*?)</p>', markup)
    assert "256 known words" in note and not messages(markup) and "red disc" not in caplog.text
    first = " ".join(("a red disc " * 10_000).split()[:256])
    np.testing.assert_array_equal(thumbnails(markup), thumbnails(answer(first, 7, 2)))


def test_visitors_at_once_get_what_each_would_get_alone(answer):
    requests = [("a red disc", 1, 2), ("the square is blue", 2, 3), ("a green disc", 3, 1)] * 3
    alone = [answer(*request) for request in requests[:3]] * 3
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as visitors:
        assert list(visitors.map(lambda request: answer(*request), requests)) == alone
