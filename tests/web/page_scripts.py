"""The scripts of the web page, run by Node.js in place of a browser."""

import json
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from dmgan_tf.web.site import PAGE

needs_node = pytest.mark.skipif(
    not shutil.which("node"), reason="needs Node.js: apt install nodejs"
)


def run_script(module: str, program: str, given: object) -> object:
    """What a JavaScript program makes of a value, both as JSON.

    Args:
        module: Name of a script of the page, whose exports the program calls `page.NAME`.
        program: An expression of `page` and `given`.
        given: Its input.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "package.json").write_text('{"type": "module"}')
        shutil.copy(PAGE / module, folder)
        (folder / "program.js").write_text(
            f'import * as page from "./{module}";\n'
            'import { readFileSync } from "node:fs";\n'
            'const given = JSON.parse(readFileSync(0, "utf-8"));\n'
            f"console.log(JSON.stringify({program}));\n"
        )
        result = subprocess.run(
            ["node", folder / "program.js"],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    return json.loads(result.stdout)
