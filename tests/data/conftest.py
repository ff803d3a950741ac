"""The prepared data set that several tests of this room read, and damage copies of."""

import damaged_records
import pytest


@pytest.fixture(scope="session")
def greys(tmp_path_factory):
    """The directory of `damaged_records.prepare_greys`; not to be changed."""
    output = tmp_path_factory.mktemp("prepared_greys")
    damaged_records.prepare_greys(tmp_path_factory.mktemp("greys"), output)
    return output
