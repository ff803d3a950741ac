"""Recognises files of failed downloads."""


def failed_download(head: bytes) -> str | None:
    """Describes the file of a failed download, and what to do; None if it looks like a good one.

    Download pages may ask for confirmation, and Git repositories may store pointers to large files.
    Both give a file of the right name with another content.

    Args:
        head: The file's first bytes, 512 or more if it has as many.

    Returns:
        The end of a message, after "Received: ", without its full stop.
    """
    start = head[:512].lstrip().lower()
    if not head:
        return "an empty file; get it again"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "a web page, as a download that failed leaves it; get the file in a browser"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS; get the file itself with `git lfs pull`"
    return None
