"""Models of hubs: what is fetched, what is cached, and one line for all that can go wrong.

No hub is asked: stand-ins take the clients' places, and the real client of Hugging Face, where it
is installed, reads a cache that is laid out by hand.
"""

import importlib.util
import inspect
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest

from dmgan_tf.errors import InputError
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.hubs import is_handle
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.presets import find_model_directory
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.vocabulary import Vocabulary

HUGGING_FACE, KAGGLE = "hf://user/birds", "kaggle://user/birds/keras/birds_32"
MODEL_FILES = {
    "README.md",
    "config.json",
    "generator.weights.h5",
    "text_encoder.weights.h5",
    "vocabulary.txt",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
real_client = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory):
    vocabulary = Vocabulary(["a", "red", "bird"])
    text_encoder = TextEncoder(len(vocabulary), word_dim=6, embedding_dim=4)
    generator = Generator(4, 5, 3, 6, num_residual_blocks=1, base_size=16, num_stages=2)
    text_encoder.build()
    generator.build()
    directory = tmp_path_factory.mktemp("uploaded") / "model"
    DMGANTextToImage(vocabulary, text_encoder, generator).save_to_preset(directory)
    return directory


@pytest.fixture
def repository(model_directory, tmp_path):
    """What somebody uploaded: a model, among files that are none of it."""
    directory = shutil.copytree(model_directory, tmp_path / "repository")
    for name in ("optimizer.weights.h5", "discriminators.weights.h5", "checkpoints/1.npz"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(bytes(100))
    return directory


class Failure(Exception):
    """Stands for the errors of a client, and of the network below it."""

    def __init__(self, message="the network is down", status=None):
        super().__init__(message)
        self.response = types.SimpleNamespace(status_code=status)


class HuggingFace:
    """A stand-in for `huggingface_hub`: a repository, and a cache."""

    def __init__(self, repository, cache):
        self.repository, self.cache = repository, cache
        self.requests, self.failure = [], None
        names = ("RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError")
        self.errors = types.SimpleNamespace(**{name: type(name, (Failure,), {}) for name in names})
        not_found = self.errors.RepositoryNotFoundError
        self.errors.GatedRepoError = type("GatedRepoError", (not_found,), {})

    def snapshot_download(
        self, repo_id, *, revision, allow_patterns, library_name, local_files_only=False
    ):
        self.requests.append((repo_id, revision, local_files_only))
        snapshot = self.cache / "snapshots" / COMMIT
        if local_files_only and not snapshot.exists():
            raise Failure("not in the cache")
        if self.failure is not None and not local_files_only:
            raise self.failure
        for pattern in () if local_files_only else allow_patterns:
            if (self.repository / pattern).is_file():
                (snapshot / pattern).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.repository / pattern, snapshot / pattern)
        return str(snapshot)


class Kaggle:
    """A stand-in for `kagglehub`: a variation of two versions, and a cache."""

    def __init__(self, repository, cache):
        self.repository, self.cache = repository, cache
        self.requests, self.failure = [], None

    def model_download(self, handle, path):
        self.requests.append((handle, path))
        if self.failure is not None:
            raise self.failure
        if not (self.repository / path).is_file():
            raise Failure("404 Client Error.", status=404)
        parts = handle.split("/")
        target = self.cache.joinpath(*parts[:4], parts[4] if len(parts) == 5 else "2", path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.repository / path, target)
        return str(target)


@pytest.fixture
def hugging_face(repository, tmp_path, monkeypatch):
    hub = HuggingFace(repository, tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    return hub


@pytest.fixture
def kaggle(repository, tmp_path, monkeypatch):
    hub = Kaggle(repository, tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    return hub


def line_of(handle):
    with pytest.raises(InputError) as caught:
        find_model_directory(handle)
    line = str(caught.value)
    assert "\n" not in line and handle in line
    return line


def names_in(directory):
    return {path.name for path in pathlib.Path(directory).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("model", "expected"),
    [("hf://a/b", True), ("https://x", True), ("runs/birds", False), (pathlib.Path("a"), False)],
)
def test_a_handle_is_told_from_a_path(model, expected):
    assert is_handle(model) == expected


def test_a_model_of_hugging_face(hugging_face, model_directory):
    expected = DMGANTextToImage.from_preset(model_directory).generate(["a red bird"])
    model = DMGANTextToImage.from_preset(HUGGING_FACE)
    np.testing.assert_array_equal(model.generate(["a red bird"]), expected)
    assert names_in(hugging_face.cache) == MODEL_FILES  # and no checkpoints
    # All files are of the commit that the first was of.
    assert hugging_face.requests == [("user/birds", None, False), ("user/birds", COMMIT, False)]


def test_a_revision_and_a_folder_of_hugging_face(hugging_face, model_directory):
    shutil.copytree(model_directory, hugging_face.repository / "small" / "model")
    directory = find_model_directory("hf://user/birds@refs%2Fpr%2F1/small/model")
    assert names_in(directory) == MODEL_FILES and directory.name == "model"
    assert hugging_face.requests[0] == ("user/birds", "refs/pr/1", False)


def test_a_model_of_kaggle(kaggle, model_directory):
    expected = DMGANTextToImage.from_preset(model_directory).generate(["a red bird"])
    model = DMGANTextToImage.from_preset(KAGGLE)
    np.testing.assert_array_equal(model.generate(["a red bird"]), expected)
    assert names_in(kaggle.cache) == MODEL_FILES
    # All files are of the version that the first was of.
    handles = [handle for handle, _ in kaggle.requests]
    assert handles == ["user/birds/keras/birds_32"] + ["user/birds/keras/birds_32/2"] * 4
    assert find_model_directory(f"{KAGGLE}/1").name == "1"


@pytest.mark.parametrize("hub", ["hugging_face", "kaggle"])
def test_a_model_without_a_card(hub, request):
    hub = request.getfixturevalue(hub)
    (hub.repository / "README.md").unlink()
    components = load_model_directory(HUGGING_FACE if isinstance(hub, HuggingFace) else KAGGLE)
    assert components.generator is not None and components.readme is None


def test_every_command_takes_a_handle(hugging_face, run_command, tmp_path):
    caption = "--caption=a red bird"
    status, stdout, stderr = run_command(
        "sample", f"--model={HUGGING_FACE}", caption, "--num_samples=1", f"--output={tmp_path}/out"
    )
    assert status == 0 and (tmp_path / "out" / "sheet.png").is_file(), stderr
    status, _, stderr = run_command(
        "visualize", f"--model={HUGGING_FACE}", caption, "--figure=stages", f"--output={tmp_path}/f"
    )
    assert status == 0, stderr


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("sample", "--model"),
        ("visualize", "--model"),
        ("export", "--model"),
        ("evaluate", "--model"),
        ("evaluate", "--damsm"),
        ("convert", "--model"),
        ("train", "--init"),
    ],
)
def test_a_hub_that_cannot_be_reached_is_one_line(
    hugging_face, error_line, prepared_data, damsm_directory, tmp_path, command, flag
):
    hugging_face.failure = Failure()
    given = {
        "sample": ["--caption=a red bird"],
        "visualize": ["--caption=a red bird"],
        "evaluate": [f"--data={prepared_data}", "--metrics=r_precision"],
        "train": [
            *(f"--data={prepared_data}", f"--damsm={damsm_directory}", "--batch_size=2"),
            *("--base_size=16", "--num_stages=2"),
        ],
    }.get(command, [])
    if flag == "--damsm":
        given.append(f"--images={prepared_data}")
    output = "run" if command == "train" else "output"
    place = f"--{output}={tmp_path}/{'r.json' if command == 'evaluate' else 'out'}"
    line = error_line(command, f"{flag}={HUGGING_FACE}", place, *given)
    assert "Expected to reach huggingface.co" in line and HUGGING_FACE in line


def test_the_cache_is_used_where_the_hub_cannot_be_reached(hugging_face, caplog):
    first = find_model_directory(HUGGING_FACE)
    hugging_face.failure = Failure()
    assert find_model_directory(HUGGING_FACE) == first
    assert "was not reached" in caplog.text


def test_a_cache_that_lacks_a_file_is_told_of(hugging_face):
    (find_model_directory(HUGGING_FACE) / "generator.weights.h5").unlink()
    hugging_face.failure = Failure()
    assert "Expected generator.weights.h5" in line_of(HUGGING_FACE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RepositoryNotFoundError", "no such repository, or a private one.*hf auth login"),
        ("GatedRepoError", "access by request. Ask for it at https://huggingface.co/user/birds"),
        ("RevisionNotFoundError", "a repository without that revision"),
        ("HFValidationError", "not the name of a repository"),
    ],
)
def test_what_hugging_face_refuses(hugging_face, name, expected):
    hugging_face.failure = getattr(hugging_face.errors, name)("the client's own words\nand more")
    with pytest.raises(InputError, match=expected):
        find_model_directory(HUGGING_FACE)
    assert len(hugging_face.requests) == 1  # it was reached, so the cache is not asked
    line_of(HUGGING_FACE)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(status=404), "no such model, or one without config.json"),
        (Failure(status=403), "terms must be accepted on kaggle.com"),
        (Failure(), "Expected to reach kaggle.com.*Failure, the network is down.*/VERSION"),
        (ValueError("Invalid model handle"), "an error of kagglehub .Invalid model handle"),
    ],
)
def test_what_kaggle_refuses(kaggle, failure, expected):
    kaggle.failure = failure
    with pytest.raises(InputError, match=expected):
        find_model_directory(KAGGLE)
    line_of(KAGGLE)


@pytest.mark.parametrize("hub", ["hugging_face", "kaggle"])
def test_a_full_disk_stays_one(hub, request):
    request.getfixturevalue(hub).failure = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        find_model_directory(HUGGING_FACE if hub == "hugging_face" else KAGGLE)


def test_repositories_of_other_things(hugging_face):
    (hugging_face.repository / "config.json").write_text('{"model_type": "bert"}')
    assert "not a model that dmgan_tf can read" in line_of(HUGGING_FACE)
    assert names_in(hugging_face.cache) == {"config.json"}
    shutil.rmtree(hugging_face.cache)
    (hugging_face.repository / "config.json").unlink()
    assert "a repository without config.json" in line_of(HUGGING_FACE)


def test_weights_of_strangers_are_looked_over(hugging_face, tmp_path):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(hugging_face.repository / "text_encoder.weights.h5", "a") as file:
        del file["embedding"]
        file["embedding"] = h5py.ExternalLink(str(secret), "/")
    with pytest.raises(InputError, match="a link to elsewhere at '/embedding'"):
        DMGANTextToImage.from_preset(HUGGING_FACE)


@pytest.mark.parametrize(
    "handle",
    [
        "hf://",
        "hf://birds",
        "hf://user/../secret",
        "hf://user/birds/../..",
        "hf://user/birds@",
        "kaggle://user/birds",
        "kaggle://user/birds/keras/small/new",
        "kaggle://user/birds/keras/../1",
        "https://huggingface.co/user/birds",
        "gs://bucket/birds",
    ],
)
def test_handles_of_another_form(handle, hugging_face, kaggle):
    assert line_of(handle).startswith("Expected")
    assert hugging_face.requests == kaggle.requests == []


@pytest.mark.parametrize(
    ("handle", "package"), [(HUGGING_FACE, "huggingface_hub"), (KAGGLE, "kagglehub")]
)
def test_a_client_that_is_not_installed(handle, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert f"Install it: `pip install {package}`" in line_of(handle)


# The real clients.

READ_THE_CACHE = """
import sys
from dmgan_tf.errors import InputError
from dmgan_tf.models.presets import find_model_directory
for handle in sys.argv[1:]:
    try:
        print(find_model_directory(handle))
    except InputError as error:
        print(error)
"""


def read_the_cache(cache, *handles, **environment):
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-c", READ_THE_CACHE, *handles],
        env={
            **os.environ,
            **{
                name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
            },
            "no_proxy": "",
            "HF_HUB_CACHE": str(cache),
            "KAGGLEHUB_CACHE": str(cache),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@real_client
@pytest.mark.parametrize("offline", ["1", pytest.param("0", marks=pytest.mark.slow)])
def test_the_real_client_of_hugging_face_without_a_network(model_directory, tmp_path, offline):
    """In its offline mode, and behind a proxy that does not answer, which it asks repeatedly."""
    repository = tmp_path / "models--user--birds"
    snapshot = repository / "snapshots" / COMMIT
    shutil.copytree(model_directory, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    found, missing = read_the_cache(
        tmp_path, HUGGING_FACE, "hf://user/fish", HF_HUB_OFFLINE=offline
    )
    assert pathlib.Path(found) == snapshot
    assert missing.startswith("Expected to reach huggingface.co") and "hf://user/fish" in missing


def test_the_real_client_of_kaggle_without_a_network(model_directory, tmp_path):
    pytest.importorskip("kagglehub")
    place = tmp_path / "models/user/birds/keras/birds_32/1"
    shutil.copytree(model_directory, place)
    marks = tmp_path / "models/user/birds/keras/birds_32/.complete/1"
    marks.mkdir(parents=True)
    for path in model_directory.iterdir():
        (marks / f"{path.name}.complete").touch()
    found, missing = read_the_cache(tmp_path, f"{KAGGLE}/1", KAGGLE)
    assert pathlib.Path(found) == place
    assert missing.startswith("Expected to reach kaggle.com") and "/VERSION" in missing


@real_client
def test_the_uploads_of_the_readme_have_these_names():
    from huggingface_hub import HfApi, snapshot_download

    assert {"repo_id", "exist_ok"} <= inspect.signature(HfApi.create_repo).parameters.keys()
    upload = inspect.signature(HfApi.upload_folder).parameters.keys()
    assert {"repo_id", "folder_path"} <= upload
    download = inspect.signature(snapshot_download).parameters.keys()
    assert {"repo_id", "revision", "allow_patterns", "library_name", "local_files_only"} <= download
    kagglehub = pytest.importorskip("kagglehub")
    upload = inspect.signature(kagglehub.model_upload).parameters.keys()
    assert {"handle", "local_model_dir", "license_name"} <= upload


def test_the_card_of_an_upload_names_it(model_directory):
    card = (model_directory / "README.md").read_text(encoding="utf-8")
    assert "hf://USER/NAME" in card and "kaggle://USER/NAME/keras/VARIATION" in card
    assert json.loads((model_directory / "config.json").read_text())["weights_dtype"] == "float32"
