"""The page in Gradio, and its server; no data leaves the machine."""

import contextlib
import logging
import pathlib
import socket
import types
import typing

from dmgan_tf.demo.answer import Answerer
from dmgan_tf.demo.captions import MOST_SAMPLES, examples_for
from dmgan_tf.demo.markup import escaped
from dmgan_tf.errors import InputError

if typing.TYPE_CHECKING:
    import gradio
    import uvicorn

    from dmgan_tf.models.text_to_image import DMGANTextToImage

FIRST_SEED, FIRST_SAMPLES = 0, 4
_LONGEST_QUEUE = 32  # visitors in the queue; one more gets an error that it is full
_SYSTEM_FONTS = ("system-ui", "sans-serif")
_HERE = pathlib.Path(__file__).parent


def import_gradio() -> types.ModuleType:
    """Imports Gradio when it is needed.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import gradio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise InputError(
            "Expected Gradio, which serves this page. Received: it is not installed. Add it with "
            '`pip install "dmgan_tf[demo]"`.'
        ) from error
    return gradio


def build_page(model: "DMGANTextToImage", name: str) -> "gradio.Blocks":
    """Builds the page and draws its first picture, so that the next ones are faster.

    Args:
        model: A `DMGANTextToImage`.
        name: Its name on the page.

    Raises:
        InputError: If Gradio is not installed, or the model has no text encoder or no vocabulary.
    """
    gradio = import_gradio()
    examples = examples_for(model.tokenizer.vocabulary)
    answer = Answerer(model, examples)
    with gradio.Blocks(title="DM-GAN", analytics_enabled=False) as page:
        gradio.HTML(_head(model, name), elem_classes=["dm-flush"])
        with gradio.Row(equal_height=True):
            caption = gradio.Textbox(examples[0], label="Caption", scale=5, min_width=280)
            seed = gradio.Number(FIRST_SEED, label="Seed", scale=1, min_width=120)
            samples = gradio.Slider(
                1, MOST_SAMPLES, FIRST_SAMPLES, step=1, label="Samples", scale=2, min_width=200
            )
        with gradio.Row():
            button = gradio.Button("Draw", variant="primary", scale=0, min_width=140)
            another = gradio.Button("Next seed", scale=0, min_width=140)
        shown = gradio.Examples([[example] for example in examples], [caption], label="Examples")
        result = gradio.HTML(
            answer(examples[0], FIRST_SEED, FIRST_SAMPLES), elem_classes=["dm-flush"]
        )
        drawing = {
            "fn": answer,
            "inputs": [caption, seed, samples],
            "outputs": [result],
            "api_name": "draw",
            "concurrency_id": "draw",
            "concurrency_limit": 1,
        }
        gradio.on([button.click, caption.submit], **drawing)
        shown.load_input_event.then(**{**drawing, "api_name": False})
        another.click(next_seed, [seed], [seed], api_name=False).then(
            **{**drawing, "api_name": False}
        )
    return page.queue(max_size=_LONGEST_QUEUE)


def next_seed(seed: object) -> int:
    """Returns one more than a seed; 0 after the last one, or if the field has none."""
    is_seed = isinstance(seed, int | float) and 0 <= seed < 2**32 - 1
    return int(seed) + 1 if is_seed else 0


def listen(host: str, port: int) -> socket.socket:
    """Binds an address, so that no other process can use it while the model is loaded.

    Args:
        host: A name or an address of this machine.
        port: From 0 to 65535; 0 for any that is free.

    Returns:
        The listening socket.

    Raises:
        InputError: If the address does not exist or is not available.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        with contextlib.ExitStack() as undo:
            undo.callback(listener.close)
            # Else a port is not available for a minute after its last connection.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
            undo.pop_all()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"Cannot listen at --host={host} --port={port}: {reason}. Choose another --port (0 "
            "takes any that is free), or a --host of this machine."
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a listener for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(page: "gradio.Blocks", listener: socket.socket) -> None:
    """Serves a page until a signal ends the process.

    Args:
        page: Of `build_page`.
        listener: Of `listen`; closed at the end.
    """
    server_of(page).run(sockets=[listener])  # raises the signal again once it has closed


def server_of(page: "gradio.Blocks") -> "uvicorn.Server":
    """Makes the server of a page, not yet started; see `serve`."""
    gradio = import_gradio()
    import fastapi
    import uvicorn

    app = gradio.mount_gradio_app(
        fastapi.FastAPI(openapi_url=None),
        page,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=1,  # there is nothing to upload
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gradio.themes.Default(
            font=[gradio.themes.Font(name) for name in _SYSTEM_FONTS],
            font_mono=[gradio.themes.Font("monospace")],
        ),
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        head=f"<script>{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>",
    )

    class Server(uvicorn.Server):
        async def shutdown(self, sockets=None):
            # Every open page has a connection. They are closed, which is not an error.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await super().shutdown(sockets)

    return Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))


def _head(model, name):
    sizes = ", ".join(map(str, model.generator.image_sizes))
    return (
        '<div class="dm-head"><h1>DM-GAN: your words, drawn in stages</h1>'
        f"<p>Model {escaped(name)}: stages of {sizes} pixels, a vocabulary of "
        f"{len(model.vocabulary) - 1:,} words. The same caption and seed give the same "
        "pictures.</p></div>"
    )
