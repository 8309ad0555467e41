"""The layout: public names, sizes of modules, and what stays private."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import xception

ROOT = Path(xception.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
MAX_LINES = 350


def imported_for_type_checkers():
    """The names that `xception/__init__.py` imports for type checkers."""
    tree = ast.parse((ROOT / "__init__.py").read_text("utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in guarded.body if getattr(node, "level", 0) for alias in node.names}


def test_importing_the_package_imports_no_room():
    program = (
        "import sys, xception\n"
        "print([name for name in sys.modules if name.startswith(('numpy', 'xception.'))])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['xception.version']"


#: What a first prediction of one photograph does without.
NOT_NEEDED = (
    "xception.jobs", "xception.distributed", "xception.storage", "xception.feature_extraction", "tqdm",
    "pyarrow", "fsspec", "concurrent", "multiprocessing", "asyncio", "requests", "scipy",
)  # fmt: skip


@pytest.mark.parametrize(
    "call",
    [
        "import xception; xception.predict(sys.argv[1], sys.argv[2])",
        "from xception.cli.main import main; main(['predict', sys.argv[1], '--model', sys.argv[2]])",
    ],
)
def test_the_first_prediction_imports_only_what_it_needs(call, examples, small_classifier):
    program = f"import sys; {call}; print([name for name in sys.modules if name.startswith({NOT_NEEDED})])"
    arguments = [sys.executable, "-c", program, examples / "coffee.jpg", small_classifier]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_public_name_is_the_same_before_and_after_every_module_is_imported():
    """Importing a module would replace a function of its name."""
    before = {name: getattr(xception, name) for name in xception.__all__}
    for module in pkgutil.walk_packages(xception.__path__, "xception."):
        if module.name == "xception.__main__":
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # packages of an extra
            if (error.name or "xception").startswith("xception"):
                raise
        except xception.MissingPackageError:  # the same, where a room says it itself
            pass
    assert {name: getattr(xception, name) for name in xception.__all__} == before


def test_names_that_load_late_tab_complete_and_helpers_are_hidden():
    assert set(dir(xception)) == {*xception.__all__, "__version__"}
    assert xception.__all__ == sorted(xception.__all__)
    assert {"predict", "explain", "fit", "Xception", "layers"} <= set(dir(xception))
    assert not [name for name in dir(xception) if name.startswith("_") and name != "__version__"]


def test_type_checkers_see_every_public_name():
    assert imported_for_type_checkers() == set(xception.__all__)


def test_every_public_name_has_a_home():
    """`__all__` is written out for type checkers, and must agree with what is loaded."""
    assert {*xception._HOMES, *xception._ROOMS} == set(xception.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'xception' has no attribute 'predikt'"):
        _ = xception.predikt


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_is_named_as_a_public_function(path):
    functions = {name for name in xception.__all__ if callable(getattr(xception, name))}
    assert path.parts[0] == "cli" or path.stem not in functions


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_can_be_seen_at_once(path):
    assert len((ROOT / path).read_text("utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_what_is_private_stays_in_its_module(path):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    defined, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names if is_private(alias.name)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Name):
            defined.add(node.id if isinstance(node, ast.Name) else node.name)
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            (defined if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    # Of named tuples and of Python's own modules, which have no other names for them.
    allowed = {"_asdict", "_exit", "_fields", "_getframe", "_replace"}
    assert used - defined - allowed == set()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_caught_error_is_under_no_second_name(path):
    """Python deletes the name of `except … as`; a second name would hold the error, which holds the frame."""
    kept = []
    for handler in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            assigned = [node for node in ast.walk(handler) if isinstance(node, ast.Assign | ast.NamedExpr)]
            kept += [ast.unparse(node) for node in assigned if handler.name in values_of(node.value)]
    assert kept == []


def values_of(expression):
    """The names whose values an expression may be."""
    match expression:
        case ast.Name():
            return {expression.id}
        case ast.IfExp():
            return values_of(expression.body) | values_of(expression.orelse)
        case ast.BoolOp():
            return set().union(*map(values_of, expression.values))
    return set()


def is_private(name):
    return name.startswith("_") and not name.startswith("__")
