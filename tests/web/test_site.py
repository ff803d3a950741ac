"""The folder that holds the page: what is in it, and what keeps it from being written."""

import base64
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from web.page_scripts import needs_node, run_script

from dmgan_tf.demo.markup import map_attributes
from dmgan_tf.errors import InputError
from dmgan_tf.serving.text_files import TOKENIZER, VOCABULARY
from dmgan_tf.web import runtime, site

SHIPPED = pathlib.Path(site.__file__).parents[1] / "presets" / "avatars_128"
SCRIPTS = sorted(path.name for path in site.PAGE.glob("*.js"))


def digest(content):
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder as npm leaves it, with other and smaller files than the real ones."""
    folder = tmp_path / "npm"
    files = []
    for file in runtime._FILES:
        path = folder / "node_modules" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'import x from "@litertjs/wasm-utils";' + file.name.encode())
        files.append(runtime._File(file.path, file.name, digest(path.read_bytes())))
    monkeypatch.setattr(runtime, "_FILES", tuple(files))
    return folder


@pytest.fixture
def small_export(monkeypatch):
    """The model's part of an export without the slow conversion."""

    def export_litert(preset, folder, *, precision, caption_length, stages):
        assert stages
        folder.mkdir(parents=True)
        (folder / "model.tflite").write_bytes(b"weights" * 1_000_000)
        shutil.copyfile(SHIPPED / "vocabulary.txt", folder / VOCABULARY)
        (folder / TOKENIZER).write_text("{}")
        record = {"format": "litert", "model": str(preset), "image_sizes": [16, 32]}
        record |= {"noise_dim": 9, "condition_dim": 8, "caption_length": caption_length}
        (folder / "dmgan_export.json").write_text(json.dumps({**record, "precision": precision}))

    monkeypatch.setattr(site, "export_litert", export_litert)


@pytest.fixture
def copied_model(tmp_path):
    model = tmp_path / "private" / "a<b> & $c"
    shutil.copytree(SHIPPED, model)
    return model


def test_all_files_are_there_with_their_hashes(packages, small_export, copied_model, tmp_path):
    folder = site.export_web(copied_model, tmp_path / "site", runtime=packages)
    record = json.loads((folder / "dmgan_export.json").read_text())
    served = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert record["files"].keys() == served - {
        "README.md",
        "dmgan_export.json",
        "service_worker.js",
    }
    worker = (folder / "service_worker.js").read_text()
    kept = json.loads(re.search(r"const FILES = (\{.*?\});", worker, re.DOTALL)[1])
    assert kept.pop("./") == kept["index.html"]
    assert kept.keys() == record["files"].keys()
    for path, hash in kept.items():
        content = (folder / path).read_bytes()
        assert base64.b64decode(hash) == hashlib.sha256(content).digest()
        assert record["files"][path] == hashlib.sha256(content).hexdigest()
    settings = json.loads((folder / "site.json").read_text())
    assert settings["files"][settings["model"]]["bytes"] == 7_000_000
    assert settings["examples"] and settings["refinement"] == "memory"
    assert '"./wasm_utils.js"' in (folder / "runtime/litert.js").read_text()
    assert "Apache License" in (folder / "license.txt").read_text()


def test_the_page_names_the_model_as_text_and_not_where_it_was(
    packages, small_export, copied_model, tmp_path
):
    folder = site.export_web(copied_model, tmp_path / "site", runtime=packages)
    page = (folder / "index.html").read_text()
    assert "Model a&lt;b&gt; &amp; $c: stages of 16, 32 pixels" in page
    assert "133 words" in page and 'href="model/card.txt"' in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    for path in folder.rglob("*"):
        assert path.is_dir() or str(copied_model.parent).encode() not in path.read_bytes()


def test_another_export_takes_the_place_of_an_earlier_one_under_a_new_version(
    packages, small_export, tmp_path
):
    def version():
        return re.search('VERSION = "(.*)"', (tmp_path / "site/service_worker.js").read_text())[1]

    site.export_web(SHIPPED, tmp_path / "site", runtime=packages)
    first = version()
    site.export_web(SHIPPED, tmp_path / "site", runtime=packages)
    assert version() == first
    site.export_web(SHIPPED, tmp_path / "site", runtime=packages, caption_length=9)
    assert version() != first


def test_a_model_too_large_for_the_web(packages, small_export, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "MOST_MEGABYTES", 5)
    with pytest.raises(
        InputError, match=r"most 5 MB .*of 7 MB.*int8 would make it 4 MB\. Or train"
    ):
        site.export_web(SHIPPED, tmp_path / "site", runtime=packages)
    with pytest.raises(InputError, match=r"7 MB in int8\. Train it with fewer --channels"):
        site.export_web(SHIPPED, tmp_path / "site", runtime=packages, precision="int8")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("change", ["missing", "another"])
def test_a_runtime_that_is_not_the_one_wanted(packages, change):
    path = packages / "node_modules" / "@litertjs/wasm-utils/dist/index.js"
    path.unlink() if change == "missing" else path.write_bytes(b"alert(1)")
    with pytest.raises(InputError, match=f"(?s)npm install --prefix {packages}.*2.5.3") as error:
        runtime.runtime_files(packages)
    assert "wasm-utils/dist/index.js" in str(error.value)


def test_npm_that_is_not_there_or_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="Expected npm.*--runtime=FOLDER"):
        runtime.runtime_files()
    (tmp_path / "npm").write_text("#!/bin/sh\necho no network >&2; exit 1\n")
    (tmp_path / "npm").chmod(0o755)
    with pytest.raises(InputError, match=r"\(no network\).*--runtime=FOLDER"):
        runtime.runtime_files()


@needs_node
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_read(name, tmp_path):
    """As far as a syntax goes; the tests in tests/browser run them."""
    is_module = "import" in (text := (site.PAGE / name).read_text()) and "importScripts" not in text
    path = tmp_path / f"script.{'mjs' if is_module or 'export ' in text else 'cjs'}"
    path.write_text(text.replace("$files", "{}"))
    result = subprocess.run(["node", "--check", path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@needs_node
@pytest.mark.parametrize(("side", "num_words", "length"), [(8, 3, 5), (128, 4, 4), (16, 1, 8)])
def test_the_map_of_words_is_the_demo_s(side, num_words, length):
    scores = np.zeros((side, side, length), np.float32)
    scores[..., :num_words] = np.random.default_rng(side).dirichlet(
        np.ones(num_words), (side, side)
    )
    program = (
        "((map) => ({...map, shares: Array.from(map.shares), top: Array.from(map.top)}))"
        "(page.mapOf(given.scores, given.side, given.numWords, given.length))"
    )
    given = {"scores": scores.ravel().tolist(), "side": side}
    made = run_script("drawing.js", program, {**given, "numWords": num_words, "length": length})
    expected = dict(re.findall(r'data-(\w+)="(.*?)"', map_attributes(scores[..., :num_words])))
    assert (made["side"], made["words"]) == (int(expected["side"]), num_words)
    assert made["peak"] == pytest.approx(float(expected["peak"]), abs=1e-6)
    np.testing.assert_array_equal(made["top"], list(base64.b64decode(expected["top"])))
    np.testing.assert_allclose(made["shares"], list(base64.b64decode(expected["shares"])), atol=1)
    np.testing.assert_allclose(made["means"], scores[..., :num_words].mean((0, 1)), atol=1e-6)
