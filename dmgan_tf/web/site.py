"""A model as a folder of static files: a page that draws in the visitor's browser."""

import pathlib


PAGE = pathlib.Path(__file__).parent / "page"

