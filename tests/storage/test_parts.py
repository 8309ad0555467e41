"""Part files of a job."""

import contextlib
import io

import numpy as np
import pytest

from xception.data.imagenet import Prediction
from xception.data.photographs import Photograph
from xception.errors import JobError
from xception.storage import parquet as parquet_columns
from xception.storage import parts

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NAME = "part-000003.parquet"
PREDICTIONS = [
    [Prediction("n01", "cat", 0.75), Prediction("n02", "caf\udce9", 0.25)],
    [Prediction("n02", "caf\udce9", 1.0)],
]


def photograph(path, label=""):
    return Photograph(0, path, path, label)


def features_part(rows=5, columns=3):
    stream = io.BytesIO()
    values = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    results = [(photograph(f"{i}.jpg", "a"), row) for i, row in enumerate(values)]
    parts.write_features(stream, results, columns)
    return stream.getvalue(), values


def predictions_part():
    stream = io.BytesIO()
    photographs = [photograph("a.jpg"), photograph("b.jpg", "x")]
    parts.write_predictions(stream, zip(photographs, PREDICTIONS, strict=True))
    return stream.getvalue()


def read(content, columns=3, max_rows=5):
    return list(parts.read_features(io.BytesIO(content), NAME, columns, max_rows))


@pytest.mark.parametrize("rows", [0, 1, 5, 10_000])
def test_features_are_read_again_to_the_last_bit(rows):
    content, values = features_part(rows)
    assert content == features_part(rows)[0]
    blocks = read(content, max_rows=rows)
    assert max((len(block.paths) for block in blocks), default=0) <= parquet_columns.MAX_CHUNK_ROWS
    assert [path for block in blocks for path in block.paths] == [f"{i}.jpg" for i in range(rows)]
    assert {label for block in blocks for label in block.labels} <= {"a"}
    np.testing.assert_array_equal(np.concatenate([np.empty((0, 3)), *(b.results for b in blocks)]), values)


def test_the_columns_are_what_the_documentation_says():
    schema = parquet.read_schema(io.BytesIO(features_part()[0]))
    assert schema.names == ["path", "label", "features"]
    assert schema.field("features").type.list_size == 3
    assert not any(field.nullable for field in schema)
    schema = parquet.read_schema(io.BytesIO(predictions_part()))
    assert schema.names == ["path", "label", "class_ids", "class_names", "scores"]
    assert not any(field.nullable for field in schema)


def test_names_that_are_no_utf_8_are_escaped():
    stream = io.BytesIO()
    parts.write_features(stream, [(photograph("\udcff.jpg", "\udcfe"), np.zeros(3, np.float32))], 3)
    (block,) = read(stream.getvalue())
    assert (block.paths, block.labels) == ([r"\xff.jpg"], [r"\xfe"])


def test_predictions_are_read_again():
    assert predictions_part() == predictions_part()
    (block,) = parts.read_predictions(io.BytesIO(predictions_part()), NAME, 2)
    assert (block.paths, block.labels) == (["a.jpg", "b.jpg"], ["", "x"])
    assert block.results == [
        [Prediction("n01", "cat", 0.75), Prediction("n02", r"caf\xe9", 0.25)],
        [Prediction("n02", r"caf\xe9", 1.0)],
    ]
    stream = io.BytesIO()
    parts.write_predictions(stream, [])
    assert not list(parts.read_predictions(stream, NAME, 2))


# --- parts from strangers -------------------------------------------------------------------


def written(table):
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def with_nulls(path, features):
    kind = arrow.list_(arrow.float32(), 3)
    fields = [("path", arrow.string()), ("label", arrow.string()), ("features", kind)]
    return written(arrow.table([[path], ["a"], [features]], schema=arrow.schema(fields)))


def with_other_columns():
    return written(arrow.table({"path": ["a"], "label": ["a"], "features": [1.0]}))


HOSTILE = {
    "empty": (b"", "is damaged"),
    "no Parquet": (b"PAR1" * 9, "is damaged"),
    "cut": (features_part()[0][:-30], "is damaged"),
    "its pages are garbage": (b"PAR1" + b"\xff" * 90 + features_part()[0][94:], "is damaged"),
    "its footer is garbage": (
        features_part()[0][:-60] + b"\xff" * 50 + features_part()[0][-10:],
        "is damaged",
    ),
    "more features": (features_part(columns=4)[0], r"expected columns .*\[3\], got .*\[4\]"),
    "more rows": (features_part(rows=6)[0], "expected at most 5 rows, got 6"),
    "predictions": (predictions_part(), "got .* class_ids"),
    "no lists": (with_other_columns(), "got .* features double"),
    "a null path": (with_nulls(None, [1, 2, 3]), "is no part of this job"),
    "a null list": (with_nulls("a", None), "is no part of this job"),
    "a null number": (with_nulls("a", [1, None, 3]), "is no part of this job"),
    "no nulls, but they are allowed": (with_nulls("a", [1, 2, 3]), "is no part of this job"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_part_of_the_job_is_refused(kind):
    content, message = HOSTILE[kind]
    with pytest.raises(JobError, match=rf"^{NAME}: .*{message}.*; delete it, and run the job again$"):
        read(content)


def test_any_changed_byte_is_read_or_refused():
    content, _ = features_part()
    for position in range(0, len(content), 3):
        changed = bytearray(content)
        changed[position] ^= 0x55
        with contextlib.suppress(JobError):
            assert all(block.results.shape == (len(block.paths), 3) for block in read(bytes(changed)))


def test_a_long_text_that_every_row_repeats_is_read_in_small_batches(monkeypatch):
    monkeypatch.setattr(parts, "MAX_TEXT_BYTES", 100_000)
    stream = io.BytesIO()
    long = photograph("a", "b" * 20_000)
    parts.write_features(stream, [(long, np.zeros(3, np.float32))] * 64, 3)
    blocks = read(stream.getvalue(), max_rows=64)
    assert max(len(block.paths) for block in blocks) <= 5
    assert sum(len(block.paths) for block in blocks) == 64


def test_an_error_of_the_disk_is_no_damage():
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        list(parts.read_features(Failing(features_part()[0]), NAME, 3, 5))
