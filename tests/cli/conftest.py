"""What the tests of the commands share."""

import pytest
import small_models


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """A classifier of five classes that scales pixels itself, in a file."""
    path = tmp_path_factory.mktemp("own") / "own.keras"
    small_models.model(small_models.nested()).save(path)
    return path


@pytest.fixture
def class_names(tmp_path):
    """A file with the names of its classes."""
    path = tmp_path / "class_names.txt"
    path.write_text("cup\nfork\nglass\nknife\nplate\n")
    return path
