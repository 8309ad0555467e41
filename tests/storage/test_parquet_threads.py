"""Parquet files are read without threads of Arrow, which may abort a process that ends."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

PROGRAM = """
import os, sys
import numpy as np, pyarrow, pyarrow.parquet
from xception.data.manifests import read_manifest
from xception.feature_extraction.tables.parquet import read_parquet
from xception.data.photographs import Photograph
from xception.storage.parts import count_rows, read_features, write_features
from pathlib import Path

part = Path(sys.argv[1], "part.parquet")
with part.open("wb") as stream:
    row = np.zeros(3, np.float32)
    write_features(stream, [(Photograph(0, "a", "a"), row), (Photograph(1, "b", "b"), row)], 3)
before = len(os.listdir("/proc/self/task"))
assert len(list(read_manifest(part))) == 2
assert read_parquet(part, 3, True).shape == (2, 3)
with part.open("rb") as stream:
    assert count_rows(stream, "part") == 2
    assert len(list(read_features(stream, "part", 3, 2))) == 1
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_parquet_files_are_read_on_the_callers_thread(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "0\n"
