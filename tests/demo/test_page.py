"""The page in Gradio, asked over HTTP as a browser asks it; see tests/browser for a real one."""

import concurrent.futures
import contextlib
import json
import re
import socket
import threading
import urllib.request

import pytest

from dmgan_tf import DMGANTextToImage
from dmgan_tf.demo.answer import Answerer
from dmgan_tf.demo.captions import examples_for
from dmgan_tf.demo.page import build_page, listen, next_seed, server_of, url_of
from dmgan_tf.errors import InputError

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def address(model):
    """Where the page of the model is served, in this process."""
    pytest.importorskip("gradio", reason='needs Gradio: pip install -e ".[demo]"')
    with listen("127.0.0.1", 0) as listener:
        server = server_of(build_page(model, "runs/<discs>"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield url_of(listener)
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def get(url):
    with OPENER.open(url, timeout=60) as response:
        return response.read().decode("utf-8")


def draw(address, *request):
    """What the page's Draw button brings."""
    body = json.dumps({"data": request}).encode("ascii")
    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(f"{address}gradio_api/call/draw", body, headers)
    with OPENER.open(call, timeout=60) as response:
        event = json.load(response)["event_id"]
    lines = get(f"{address}gradio_api/call/draw/{event}").splitlines()
    return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))[0]


def test_the_page_asks_no_other_host(address):
    page = get(address)
    loaded = re.findall(r'(?:src|href)="((?:https?:)?//[^"]+)"', page)
    assert not [url for url in loaded if not url.startswith(address)]
    theme = get(f"{address}theme.css")
    assert "system-ui" in theme and "@import" not in theme
    assert theme.count("url(") == theme.count('url("data:image/svg+xml,')


def test_the_page_opens_with_a_picture_and_examples_that_the_model_knows(address, model):
    page = get(address)
    config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page)[1])
    assert not config["analytics_enabled"]
    values = [part["props"].get("value") for part in config["components"]]
    examples = examples_for(model.vocabulary)
    assert examples[0] in values
    assert Answerer(model, examples)(examples[0], 0, 4) in values
    head = next(value for value in values if "dm-head" in str(value))
    assert "runs/&lt;discs&gt;" in head and "16, 32 pixels" in head


def test_visitors_at_once_get_their_own_pictures(address, model):
    alone = Answerer(model, ["a red disc"])
    requests = [("a red disc", 1, 2), ("the square is blue", 2, 1), ("zeppelin", 0, 1)] * 2
    expected = [alone(*request) for request in requests[:2]] * 2
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as visitors:
        answers = list(visitors.map(lambda request: draw(address, *request), requests))
    assert [answer for answer in answers if "dm-message" not in answer] == expected
    assert sum("none of these words" in answer for answer in answers) == 2


def test_a_caption_with_half_a_character_does_not_reach_the_answer_as_such(address):
    assert "a ? disc" in re.sub("<[^>]+>", "", draw(address, "a \ud83c disc", 0, 1))


@pytest.mark.parametrize(
    ("seed", "following"), [(0, 1), (41.0, 42), (2**32 - 1, 0), (None, 0), (-5, 0), ("x", 0)]
)
def test_the_next_seed(seed, following):
    assert next_seed(seed) == following


def test_an_address_is_taken_once():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert url_of(first) == f"http://127.0.0.1:{port}/"
        with pytest.raises(InputError, match=f"--port={port}: Address already in use.*--port"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", port) as again, socket.create_connection(again.getsockname()):
        pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 70, "\udcff"])
def test_an_address_that_is_not_of_this_machine(host):
    with pytest.raises(InputError, match="^Cannot listen at --host=.*Choose another"):
        listen(host, 0)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_the_address_of_every_interface_is_shown_as_one_that_a_browser_takes(host, shown):
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(listen(host, 0))
        except InputError:
            pytest.skip(f"{host} is not to be had here")
        assert url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}/"
