"""A model as a folder of static files: a page that draws in the visitor's browser."""

import base64
import gzip
import hashlib
import html
import json
import os
import pathlib
import shutil
import string

from dmgan_tf.demo.captions import examples_for
from dmgan_tf.errors import InputError
from dmgan_tf.files.atomic import replacing_directory, write_text
from dmgan_tf.models.model_config import read_config
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.serving.folder import RECORD_NAME, check_folder
from dmgan_tf.serving.litert import CAPTION_LENGTH, MODEL, check_settings, export_litert
from dmgan_tf.serving.text_files import VOCABULARY
from dmgan_tf.text.vocabulary import Vocabulary
from dmgan_tf.web.runtime import PACKAGES, WASM, runtime_files

PAGE = pathlib.Path(__file__).parent / "page"
MOST_MEGABYTES = 64  # of a model that a phone can load
_MODEL_FOLDER = "model"
_SETTINGS = "site.json"
_SERVICE_WORKER = "service_worker.js"
_DEMO = PAGE.parents[1] / "demo"
_FROM_DEMO = {"page.js": "pointing.js", "page.css": "pointing.css"}
# Files of the model directory, as text that every browser shows; and their titles on the page.
_CARDS = {
    "README.md": ("card.txt", "About the model"),
    "ATTRIBUTION.md": ("attribution.txt", "What it was trained on"),
}


def export_web(
    preset: str | os.PathLike,
    output: str | os.PathLike,
    *,
    precision: str = "float16",
    caption_length: int = CAPTION_LENGTH,
    runtime: str | os.PathLike | None = None,
) -> pathlib.Path:
    """Writes a page that draws captions in the visitor's browser, for any static file server.

    The folder contains the page, the LiteRT model with all stages, and LiteRT.js; the page loads
    nothing from other servers. `dmgan_export.json` has the hashes of all files. The folder is
    written completely or not at all; an earlier export there is replaced.

    Args:
        preset: A model directory, a run directory, or the name of a shipped model.
        output: The folder.
        precision: Of the weights, as of `litert_model`. With `"int8"` the pictures differ from
            those of `generate`.
        caption_length: Known words of the longest caption; the page truncates longer ones.
        runtime: Folder with the npm packages of LiteRT.js; they are fetched by npm if `None`.

    Returns:
        The path of the folder.

    Raises:
        InputError: If there is no model that can draw captions, it is too large for the web, a
            setting is not as above, LiteRT.js is not available, or `output` exists and is not an
            earlier export.
    """
    check_settings(precision, caption_length)
    directory = check_folder(output)
    model_directory = find_model_directory(preset)
    files = runtime_files(runtime)
    with replacing_directory(directory) as site:
        model = site / _MODEL_FOLDER
        export_litert(
            preset, model, precision=precision, caption_length=caption_length, stages=True
        )
        _check_size(model / MODEL, precision)
        for name, (new, _) in _CARDS.items():
            if (model_directory / name).is_file():
                text = (model_directory / name).read_text(encoding="utf-8")
                # With a UTF-8 byte order mark, since a server may not send the encoding.
                (model / new).write_text(text, encoding="utf-8-sig")
        for path, content in files.items():
            (site / path).parent.mkdir(exist_ok=True)
            (site / path).write_bytes(content)
        # The record contains the model's path, which visitors should not see.
        record = json.loads((model / RECORD_NAME).read_text(encoding="utf-8"))
        record["model"] = os.fspath(preset).rstrip("/").split("/")[-1]
        (model / RECORD_NAME).unlink()
        config = read_config(model_directory)
        record["refinement"] = config["generator"]["refinement"]
        record["num_trained_words"] = config["tokenizer"].get("num_trained_words")
        _write_page(site, record)
    return directory


def sizes_of(site: pathlib.Path) -> tuple[int, int]:
    """Returns the bytes of all files of a site: on disk, and compressed with gzip."""
    contents = [path.read_bytes() for path in site.rglob("*") if path.is_file()]
    return sum(map(len, contents)), sum(len(gzip.compress(content, 9)) for content in contents)


def _check_size(path, precision):
    size = path.stat().st_size / 1e6
    if size > MOST_MEGABYTES:
        smaller = {"float32": 4, "float16": 2}
        advice = "Train it with fewer --channels, --num_stages or words"
        if precision in smaller:
            of_int8 = size / smaller[precision]
            advice = f"--precision=int8 would make it {of_int8:.0f} MB. Or t{advice[1:]}"
        raise InputError(
            f"Expected a model of at most {MOST_MEGABYTES} MB for the web. Received: one of "
            f"{size:.0f} MB in {precision}. {advice}."
        )


def _write_page(site, exported):
    for path in PAGE.iterdir():
        shutil.copyfile(path, site / path.name)
    for path, new in _FROM_DEMO.items():
        shutil.copyfile(_DEMO / path, site / new)
    settings = _settings(site, exported)
    write_text(site / _SETTINGS, json.dumps(settings, indent=2) + "\n")
    _fill(site / "index.html", _parts_of_page(site, settings))
    _fill(site / "README.md", {"packages": " and ".join(PACKAGES)})
    hashes = {
        path.relative_to(site).as_posix(): _base64_sha256(path)
        for path in sorted(site.rglob("*"))
        if path.is_file() and path.name not in (_SERVICE_WORKER, "README.md")
    }
    listed = json.dumps({**hashes, "./": hashes["index.html"]}, indent=2)
    version = hashlib.sha256(listed.encode()).hexdigest()[:16]
    _fill(site / _SERVICE_WORKER, {"files": listed, "version": version})
    record = {
        **exported,
        "format": "web",
        "runtime": list(PACKAGES),
        "files": {path: base64.b64decode(hash).hex() for path, hash in hashes.items()},
    }
    write_text(site / RECORD_NAME, json.dumps(record, indent=2) + "\n")


def _settings(site, exported):
    """The page's data on the model and the large files."""
    vocabulary = Vocabulary.load(site / _MODEL_FOLDER / VOCABULARY, exported["num_trained_words"])
    kept = ("image_sizes", "noise_dim", "condition_dim", "caption_length", "refinement")
    large = {"model": f"{_MODEL_FOLDER}/{MODEL}", "wasm": WASM}
    return {
        "name": exported["model"],
        **{key: exported[key] for key in kept},
        "num_words": len(vocabulary) - 1,
        "examples": examples_for(vocabulary),
        **large,
        "files": {
            path: {
                "bytes": (site / path).stat().st_size,
                "sha256": _base64_sha256(site / path),
            }
            for path in large.values()
        },
    }


def _parts_of_page(site, settings):
    stages = ", ".join(map(str, settings["image_sizes"]))
    examples = settings["examples"]
    links = [
        f'<a href="{_MODEL_FOLDER}/{name}">{title}</a>'
        for name, title in (*_CARDS.values(), ("../license.txt", "Licence of page and LiteRT.js"))
        if (site / _MODEL_FOLDER / name).is_file()
    ]
    return {
        "about": f"Model {html.escape(settings['name'])}: stages of {stages} pixels, a vocabulary "
        f"of {settings['num_words']:,} words.",
        "caption": html.escape(examples[0]),
        "examples": "\n".join(
            f'<button type="button" class="web-example">{html.escape(example)}</button>'
            for example in examples
        ),
        "links": " · ".join(links),
    }


def _base64_sha256(path):
    """A file's SHA-256 in the format of browsers."""
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def _fill(path, values):
    """Replaces `$NAME` in a file of the page by values."""
    text = string.Template(path.read_text(encoding="utf-8")).substitute(values)
    write_text(path, text)
