"""scikit-learn is imported where it is asked for, and only there."""

import subprocess
import sys

import pytest


def run(program):
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_without_scikit_learn_the_error_says_what_to_install():
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import xception\n"
        "try:\n    import xception.sklearn\n"
        "except xception.MissingPackageError as error:\n    print(error)"
    )
    assert run(program) == (
        "xception.sklearn needs scikit-learn, which is not installed: pip install 'xception[sklearn]'"
    )


def test_other_rooms_do_not_import_scikit_learn():
    program = (
        "import sys, xception\nfor name in xception.__all__: getattr(xception, name)\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('sklearn', 'joblib')])"
    )
    assert run(program) == "[]"


def test_scikit_learn_itself_is_not_hidden():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    program = "import xception.sklearn, sklearn; print(sklearn.__name__, xception.sklearn.__name__)"
    assert run(program) == "sklearn xception.sklearn"
