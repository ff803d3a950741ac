"""LiteRT.js, which runs a LiteRT model in a browser: from its npm packages, with checked hashes."""

import base64
import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from dmgan_tf.errors import InputError

VERSION = "2.5.3"
PACKAGES = (f"@litertjs/core@{VERSION}", f"@litertjs/wasm-utils@{VERSION}")
FOLDER = "runtime"
WASM = f"{FOLDER}/litert_wasm_compat_internal.wasm"
_UTILITIES = '"@litertjs/wasm-utils"'  # a name that a browser cannot find


@dataclasses.dataclass(frozen=True)
class _File:
    """A file of the packages: its path below `node_modules`, its name here, and its SHA-512.

    This build of the runtime works in every browser with SIMD. The others need relaxed SIMD, which
    is no faster here, or threads, which need extra headers from the server.
    """

    path: str
    name: str
    integrity: str


_FILES = (
    _File(
        "@litertjs/core/dist/index.js",
        "litert.js",
        "WyevdHDt3wZauUKrGQed/ea70cEFa+sFfazl2IifPB0hMKs6PW6NuiYRJGawcsVBYPW0m8IirkbgJ/IoEubgjg==",
    ),
    _File(
        "@litertjs/core/wasm/litert_wasm_compat_internal.js",
        "litert_wasm_compat_internal.js",
        "irVXOG35yzX+ryulgJ1DzF613I41WPhTnlieQ3RYFziHxOkJ8IZ/HhMtYPUyGrLM5O5kpoD6YEJyEXJkoGAeug==",
    ),
    _File(
        "@litertjs/core/wasm/litert_wasm_compat_internal.wasm",
        "litert_wasm_compat_internal.wasm",
        "5a+qwg0hp8q+ziVjA3FqISZf7BDgBqibS9eeprffsTtsVD92M4BmHCx78ect4PHshl1P0ntbKOk3rwxZnaVnMQ==",
    ),
    _File(
        "@litertjs/wasm-utils/dist/index.js",
        "wasm_utils.js",
        "JLByH7iijq5fINzZCeEtpKS37IIwN6HC59+xrJ+3SvOM4lnK3METwP7OyZdhuwpW1xoCtj4QDYGDugU1hsFVHg==",
    ),
)


def runtime_files(folder: str | os.PathLike | None = None) -> dict[str, bytes]:
    """Returns the runtime's files by their path below the page.

    Args:
        folder: A folder of `npm install` with the packages; they are downloaded if `None`.

    Raises:
        InputError: If npm is needed and not installed, fails, or a file is missing or different.
    """
    if folder is not None:
        return _read(pathlib.Path(folder))
    if not shutil.which("npm"):
        raise InputError(
            "Expected npm, which fetches the runtime of the page. Received: it is not installed. "
            f"Install it (apt install npm), or run `npm install {' '.join(PACKAGES)}` on another "
            "machine and give the folder as --runtime=FOLDER."
        )
    with tempfile.TemporaryDirectory() as temporary:
        command = ["npm", "install", "--loglevel=error", "--no-save", "--no-audit", "--no-fund"]
        command += ["--ignore-scripts", "--prefix", temporary, *PACKAGES]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode:
            reason = (result.stderr or result.stdout).partition("\n")[0].strip()
            raise InputError(
                f"npm could not fetch {' and '.join(PACKAGES)} ({reason or 'no reason given'}). "
                "Check the connection and try again, or give --runtime=FOLDER with them."
            )
        return _read(pathlib.Path(temporary))


def _read(folder):
    modules = folder / "node_modules" if (folder / "node_modules").is_dir() else folder
    files = {}
    for file in _FILES:
        path = modules / file.path
        if not path.is_file():
            raise InputError(
                f"Expected the npm packages {' and '.join(PACKAGES)} in {folder}. Received: no "
                f"{file.path} there. Run `npm install --prefix {folder} {' '.join(PACKAGES)}`."
            )
        content = path.read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != file.integrity:
            raise InputError(
                f"Expected {path} to be that of version {VERSION} (SHA-512 {file.integrity[:12]}"
                f"...). Received: another. Run `npm install --prefix {folder} "
                f"{' '.join(PACKAGES)}`."
            )
        files[f"{FOLDER}/{file.name}"] = content
    script = f"{FOLDER}/litert.js"
    files[script] = files[script].replace(_UTILITIES.encode(), b'"./wasm_utils.js"')
    return files
