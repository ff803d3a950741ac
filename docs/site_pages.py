"""Hooks of MkDocs: pages from other folders, and links that hold on GitHub and on the site.

The Markdown files link to one another, and to files of the repository, by relative paths, as GitHub
follows them. On the site, a link to a page becomes that page's, and one to any other file becomes
its address in the repository.
"""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/dmgan-tf/dmgan_tf/blob/main/"
# Pages that stand elsewhere in the repository, by their names on the site.
ELSEWHERE = {
    "index.md": "README.md",
    "benchmarks.md": "benchmarks/README.md",
    "training_log.md": "benchmarks/training_log.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
_PAGE_OF = {path: page for page, path in ELSEWHERE.items()}
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files, config):
    """Adds the pages that stand elsewhere."""
    for page, path in ELSEWHERE.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Points each link to where its target is for a reader of the site."""
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def replaced(match):
        return match[1] + site_link(match[2], source, page.file.src_uri) + match[3]

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


def site_link(link: str, source: str, page: str) -> str:
    """Returns a link for the site.

    Args:
        link: As it stands in the Markdown.
        source: The file with the link, from the root of the repository.
        page: That file's page, from the root of the site's pages.
    """
    target, hash_mark, anchor = link.partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return link
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if path in _PAGE_OF:
        on_site = _PAGE_OF[path]
    elif path.startswith("docs/"):
        on_site = path.removeprefix("docs/")
    else:
        return REPOSITORY + path + hash_mark + anchor
    return posixpath.relpath(on_site, posixpath.dirname(page) or ".") + hash_mark + anchor
