import pytest
import small_models


@pytest.fixture
def file(tmp_path):
    """A small model in a `.keras` file."""
    built = small_models.model(small_models.nested(frozen=("block1_conv1",)))
    built.class_names = ["cup", "fork", "glass", "knife", "plate"]
    built.save(tmp_path / "small.keras")
    return tmp_path / "small.keras"
