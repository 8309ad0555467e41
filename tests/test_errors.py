"""One base class of all exceptions, each also one of Python's own."""

import pytest

import xception


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (xception.ModelFileError, ValueError),
        (xception.GraphError, ValueError),
        (xception.NoGradientError, xception.GraphError),
        (xception.ImageError, OSError),
        (xception.DownloadError, OSError),
        (xception.JobError, ValueError),
        (xception.TrainingError, ArithmeticError),
        (xception.RemoteError, OSError),
        (xception.MissingPackageError, ImportError),
    ],
)
def test_exceptions(error, parent):
    assert issubclass(error, parent)
    assert issubclass(error, xception.XceptionError)


def test_one_except_clause_catches_them_all(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"no model")
    for call in (lambda: xception.load_model(tmp_path / "x.keras"), lambda: xception.load_image(tmp_path)):
        with pytest.raises(xception.XceptionError):
            call()
