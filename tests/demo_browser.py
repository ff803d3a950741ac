"""The demo, a host of static files, and a real headless Chromium to look at both with.

.venv/bin/python tests/demo_browser.py --model=avatars_256 --output=docs/demo.png
.venv/bin/python tests/demo_browser.py --site=runs/web --output=docs/web_page.jpg

take the pictures of pages that the README shows; `--width=390` is a phone's. Needs the extras
`demo` and `browser`, and a Chromium of the system's: apt install chromium.
"""

import argparse
import contextlib
import functools
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from source_imports import ROOT

GRADIO = ("gradio", "demo")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Root needs the first; the others keep it from asking its maker's hosts about itself.
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def what_is_missing(*modules: tuple[str, str]) -> str | None:
    """What a browser test lacks here and how to get it, in one line; None if it can run.

    Args:
        modules: What it imports beside Playwright, with the extra that brings it.
    """
    for module, extra in (*modules, ("playwright", "browser")):
        try:
            __import__(module)
        except ModuleNotFoundError:
            return f'needs {module}: pip install -e ".[{extra}]"'
    if not chromium():
        return "needs a Chromium: apt install chromium"
    return None


def chromium() -> str | None:
    """The path of a Chromium on this system: `$CHROMIUM`, or the first that is found."""
    candidates = [os.environ.get("CHROMIUM"), *CHROMIUM]
    return next((path for name in candidates if name and (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser():
    """A Playwright `Browser`, headless, with none of the user's own settings."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)


@contextlib.contextmanager
def demo(model):
    """Runs the command on a free port; where its page is."""
    command = [sys.executable, "-m", "dmgan_tf.demo", f"--model={model}", "--port=0"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
        )
        try:
            said = process.stdout.readline()
            if said.startswith("The page is at http"):
                yield said.split()[4]
        finally:
            process.terminate()
            process.communicate()
            errors.seek(0)
            log = errors.read()
        if not said or "Traceback" in log:
            raise RuntimeError(f"the demo ended with status {process.returncode}: {log}")


class HostOfFiles(http.server.SimpleHTTPRequestHandler):
    """A host of static files that remembers what it was asked for."""

    log = []

    def log_request(self, *_):
        self.log.append(self.requestline)

    def log_error(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """Where a host of static files shows a folder; the host's memory begins anew."""
    HostOfFiles.log.clear()
    handler = functools.partial(HostOfFiles, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def take_picture(where, output, width, caption):
    """Writes the whole page as a PNG or JPEG, the pointer on the middle of the last stage."""
    with where as url, browser() as chrome:
        page = chrome.new_page(viewport={"width": width, "height": 900})
        page.goto(url)
        page.wait_for_selector(".dm-stage")
        if caption:
            page.get_by_label("Caption").fill(caption)
            page.get_by_role("button", name="Draw", exact=True).click()
            page.locator(".dm-caption", has_text=caption).wait_for()
        page.locator(".dm-thumbnail").nth(3).wait_for()
        page.locator(".dm-sample:not([hidden]) .dm-read .dm-picture").first.hover()
        page.wait_for_selector(".dm-bubble:visible")
        page.screenshot(path=output, full_page=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="avatars_256")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/demo.png")
    parser.add_argument("--site", type=pathlib.Path, help="a page of export --format=web instead")
    parser.add_argument("--caption")
    parser.add_argument("--width", type=int, default=1280)
    options = parser.parse_args()
    missing = what_is_missing(*([] if options.site else [GRADIO]))
    if missing:
        sys.exit(f"error: {missing}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    where = served(options.site) if options.site else demo(options.model)
    take_picture(where, options.output, options.width, options.caption)
    print(options.output)


if __name__ == "__main__":
    main()
