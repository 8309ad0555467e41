"""Rows of features, a chunk at a time."""

import numpy as np
import pytest

from xception.feature_extraction.tables import Table
from xception.storage.parquet import CHUNK_BYTES, chunk_rows


def table_of_blocks(*sizes, photographs):
    """Return a table whose rows come in blocks of these sizes; row i is [i, -i]."""
    column = np.arange(sum(sizes), dtype=np.float32)
    rows = np.stack([column, -column], axis=1)
    blocks = np.split(rows, np.cumsum(sizes)[:-1])
    paths = [str(i) for i in range(photographs)]
    return Table(paths, paths, ("a", "b"), lambda: iter(blocks))


def test_chunks_are_the_blocks_with_their_photographs():
    chunks = list(table_of_blocks(2, 0, 3, photographs=5).chunks())
    assert [paths for paths, _, _ in chunks] == [["0", "1"], [], ["2", "3", "4"]]
    assert all([str(int(row[0])) for row in rows] == paths for paths, _, rows in chunks)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_groups_are_of_one_size_whatever_the_blocks(size):
    table = table_of_blocks(2, 0, 7, 1, 3, photographs=13)
    groups = [(list(paths), list(labels), rows.copy()) for paths, labels, rows in table.groups(size)]
    assert [len(paths) for paths, _, _ in groups] == [min(size, 13 - i) for i in range(0, 13, size)]
    assert all(paths == labels == [str(int(row[0])) for row in rows] for paths, labels, rows in groups)


@pytest.mark.parametrize(("photographs", "rows"), [(4, 5), (6, 5), (0, 5)])
def test_blocks_with_more_or_fewer_rows_than_photographs_are_refused(photographs, rows):
    with pytest.raises(ValueError, match=f"features of {photographs} photographs, got {rows} rows"):
        list(table_of_blocks(2, 3, photographs=photographs).chunks())


def test_a_chunk_is_of_bounded_size():
    assert chunk_rows(2048) == 256
    assert chunk_rows(1 << 30) == 1
    assert 4 * 8 * chunk_rows(8) <= CHUNK_BYTES
