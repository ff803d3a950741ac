"""Model directories on Hugging Face and Kaggle, downloaded by the clients that Keras uses.

Keras reads `hf://` by `huggingface_hub`, and KerasHub `kaggle://` by `kagglehub`; both have their
own caches, which are used here, too. Nothing is imported before it is needed.
"""

import importlib
import logging
import pathlib
import re
import urllib.parse
from collections.abc import Callable, Sequence

from dmgan_tf.errors import InputError, first_line
from dmgan_tf.files.atomic import is_disk_full

CONFIG, CARD = "config.json", "README.md"
_PART = r"[\w-][\w.-]*"
_HUGGING_FACE = re.compile(
    rf"hf://(?P<repository>{_PART}/{_PART})(@(?P<revision>[\w.%-]+))?(?P<folder>(/{_PART})*)/?"
)
_KAGGLE = re.compile(rf"kaggle://(?P<model>{_PART}/{_PART}/{_PART}/{_PART})(/(?P<version>\d+))?/?")
_logger = logging.getLogger(__name__)


def is_handle(model) -> bool:
    """Whether `model` is a handle of a hub or another address, not a path or name."""
    return isinstance(model, str) and "://" in model


def download_model(handle: str, files_of: Callable[[pathlib.Path], Sequence[str]]) -> pathlib.Path:
    """Downloads only the files of a model directory, unless they are in the cache.

    Args:
        handle: `hf://USER/MODEL`, followed by `@REVISION` and `/FOLDER` where needed, or
            `kaggle://USER/MODEL/FRAMEWORK/VARIATION`, followed by `/VERSION` where needed.
        files_of: Called with a directory with the model's `config.json`, returns the names of the
            model's other files; raises `InputError` if it is not a model.

    Returns:
        A directory in the cache of the hub's client, not to be written to.

    Raises:
        InputError: If the client is not installed, the handle is invalid, there is no such model,
            it is not a model of dmgan_tf, or the hub cannot be reached and the cache lacks it.
    """
    if handle.startswith("hf://"):
        hub = _HuggingFace(handle)
    elif handle.startswith("kaggle://"):
        hub = _Kaggle(handle)
    else:
        raise InputError(
            "Expected a path, the name of a shipped model, hf://USER/MODEL or "
            f"kaggle://USER/MODEL/FRAMEWORK/VARIATION. Received: {handle}."
        )
    directory = hub.fetch([CONFIG])
    if not (directory / CONFIG).is_file():
        raise InputError(
            f"Expected a model of dmgan_tf at {handle}. Received: a repository without {CONFIG} "
            f"there. {hub.elsewhere}"
        )
    try:
        names = list(files_of(directory))
    except InputError as error:
        raise InputError(f"{handle} is not a model that dmgan_tf can read: {error}") from error
    directory = hub.fetch([*names, CARD])
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise InputError(
            f"Expected {missing[0]}, which {CONFIG} names, at {handle}. Received: no such file "
            "there or, without a network, in the cache. Try again online, or tell its uploader."
        )
    return directory


class _HuggingFace:
    """One model on Hugging Face; all files are of the same commit."""

    elsewhere = "If the model is in a folder of it, add /FOLDER to the handle."

    def __init__(self, handle):
        self.handle = handle
        match = _HUGGING_FACE.fullmatch(handle)
        if match is None:
            raise InputError(
                f"Expected hf://USER/MODEL, hf://USER/MODEL@REVISION or hf://USER/MODEL/FOLDER. "
                f"Received: {handle}."
            )
        self.repository = match["repository"]
        self.folder = match["folder"].strip("/")
        # A revision such as refs/pr/1 is written refs%2Fpr%2F1, as by Hugging Face.
        self.revision = match["revision"] and urllib.parse.unquote(match["revision"])
        self.client = _import_client("huggingface_hub", handle)

    def fetch(self, names):
        """Fetches files; the directory that holds those of them that exist."""
        prefix = f"{self.folder}/" if self.folder else ""
        snapshot = self._snapshot(
            repo_id=self.repository,
            revision=self.revision,
            allow_patterns=[prefix + name for name in names],
            library_name="dmgan_tf",
        )
        self.revision = snapshot.name  # the commit, which the next files must have, too
        return snapshot / self.folder

    def _snapshot(self, **request):
        try:
            return pathlib.Path(self.client.snapshot_download(**request))
        except Exception as error:  # including those of httpx or requests, depending on its version
            problem = self._problem(error)
            if problem is None:
                return self._cached(request, error)
            raise InputError(
                f"Expected a model of dmgan_tf at {self.handle}. Received: {problem}"
            ) from error

    def _cached(self, request, reason):
        """The files in the cache, of a hub that cannot be reached."""
        if is_disk_full(reason):
            raise reason
        try:
            snapshot = self.client.snapshot_download(**request, local_files_only=True)
        except Exception:  # its own message says less
            raise _unreachable("huggingface.co", self.handle, reason) from reason
        _logger.warning("huggingface.co was not reached; %s is from the cache", self.handle)
        return pathlib.Path(snapshot)

    def _problem(self, error):
        errors = importlib.import_module("huggingface_hub.errors")
        login = "log in with `hf auth login`"
        if isinstance(error, errors.GatedRepoError):
            return (
                "a refusal: its owner grants access by request. Ask for it at "
                f"https://huggingface.co/{self.repository} and {login}."
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return f"no such repository, or a private one. Check the name, or {login}."
        if isinstance(error, errors.RevisionNotFoundError):
            return "a repository without that revision. Name a branch, tag or commit of it."
        if isinstance(error, errors.HFValidationError):
            return f"not the name of a repository ({first_line(error)[:200]}). Check the handle."
        return None


class _Kaggle:
    """One model on Kaggle; all files are of the same version."""

    elsewhere = "Give the variation that contains it, and its version."

    def __init__(self, handle):
        self.handle = handle
        match = _KAGGLE.fullmatch(handle)
        if match is None:
            raise InputError(
                "Expected kaggle://USER/MODEL/FRAMEWORK/VARIATION, followed by /VERSION if "
                f"needed, such as kaggle://user/birds/keras/birds_256/1. Received: {handle}."
            )
        self.model = match["model"]
        self.version = match["version"]
        self.client = _import_client("kagglehub", handle)

    def fetch(self, names):
        """Fetches files; the directory that holds those of them that exist."""
        for name in names:
            handle = f"{self.model}/{self.version}" if self.version else self.model
            try:
                path = pathlib.Path(self.client.model_download(handle, name))
            except Exception as error:  # of requests, of kagglehub and of its sdk
                if name != CARD:
                    raise self._refusal(error, name) from error
                continue  # the only one that a model may lack
            directory = path.parent
            if directory.name.isdecimal():
                self.version = directory.name
        return directory

    def _refusal(self, error, name):
        if is_disk_full(error):
            return error
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 404:
            problem = f"no such model, or one without {name}. Check the name and the version."
        elif status in (401, 403):
            problem = (
                "a refusal: the model is private, or its terms must be accepted on kaggle.com. "
                "Accept them, and log in with kagglehub.login()."
            )
        elif isinstance(error, ValueError):  # of the handle, or of a file within Kaggle's notebooks
            problem = f"an error of kagglehub ({first_line(error)[:200]}). Check the handle."
        else:
            hint = "" if self.version else " Only with its /VERSION can the cache be used offline."
            return _unreachable("kaggle.com", self.handle, error, hint)
        return InputError(f"Expected a model of dmgan_tf at {self.handle}. Received: {problem}")


def _import_client(package, handle):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"{handle} is downloaded by {package}, which cannot be imported "
            f"({first_line(error)[:200]}). Install it: `pip install {package}`."
        ) from error


def _unreachable(hub, handle, reason, hint="") -> InputError:
    return InputError(
        f"Expected to reach {hub}, since the cache does not have {handle}. Received: "
        f"{type(reason).__name__}, {first_line(reason)[:200].rstrip('.')}.{hint} Go online for the "
        "first use of a model, or give a model directory."
    )
