"""Jobs on Ray and Spark by the functions that the documentation shows, where these are installed."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import faults

import xception

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "many-photographs.md"
PHOTOGRAPHS, SHARD = 12, 3

#: In a process of its own: these engines leave threads, processes and warnings behind. The worker of a shard
#: is killed once.
PROGRAM = """
import json, sys
from faults import Faulty
from xception.distributed import prepare
code, name, photos, output, tried = sys.argv[1:]
namespace = {"__name__": "snippet"}
exec(code, namespace)
each = namespace[name]
if "ray" in namespace:
    namespace["ray"].init()
job = prepare(photos, output, shard=%d, layers="block2_pool")
report = job.run(lambda function, shards: each(Faulty(function, tried, 1, 1, True), shards), verbose=0)
print(json.dumps([report.photographs, report.unreadable, [failure.path for failure in report.failures]]))
"""


def snippet(name: str) -> str:
    """The imports and functions of the page's code that defines an executor."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    [code] = [block for block in blocks if f"def {name}(" in block]
    definitions = ast.Import | ast.ImportFrom | ast.FunctionDef
    return "\n\n".join(ast.unparse(part) for part in ast.parse(code).body if isinstance(part, definitions))


@pytest.mark.external
@pytest.mark.parametrize(("engine", "name"), [("ray", "ray_each"), ("pyspark", "spark_each")])
def test_a_job_whose_worker_is_killed_computes_what_one_thread_computes(
    engine: str, name: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    photos, output, tried = tmp_path / "photos", tmp_path / "job", tmp_path / "tried"
    faults.write_photographs(photos, PHOTOGRAPHS)
    good = sorted(str(path) for path in photos.rglob("*.png"))
    bad = faults.write_unreadable(photos / "cat", photos / "dog", Path(good[0]))
    tried.mkdir()
    arguments = [snippet(name), name, photos, output, tried]
    path = os.pathsep.join([*sys.path, str(Path(xception.__file__).parent.parent)])
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM % SHARD, *map(str, arguments)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path, "PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    photographs, unreadable, failures = json.loads(result.stdout.splitlines()[-1])
    assert (photographs, unreadable) == (PHOTOGRAPHS, len(bad))
    assert sorted(Path(path).name for path in failures) == bad
    assert faults.attempts(tried, 1) >= 2
    names, features = faults.read_rows(output)
    assert names == [Path(path).name for path in good]
    xception.set_num_threads(1)
    try:
        expected = np.asarray(xception.features(good, layers="block2_pool", verbose=0))
    finally:
        xception.set_num_threads(None)
    np.testing.assert_array_equal(features, expected)
