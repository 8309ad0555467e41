"""Features as text."""

import csv

import numpy as np
from feature_tables import ODD_NAMES, small_table, values_of

from xception.feature_extraction import tables


def test_csv(tmp_path, table):
    tables.write_table(tmp_path / "f.csv", table)
    header, *rows = csv.reader((tmp_path / "f.csv").read_text().splitlines())
    assert header == ["path", "label", *table.names]
    assert [row[:2] for row in rows] == [list(pair) for pair in zip(table.paths, table.labels, strict=True)]
    np.testing.assert_array_equal(np.array([row[2:] for row in rows], np.float32), values_of(table))


def test_arff_is_read_by_scipy_as_it_is(tmp_path, table):
    from scipy.io import arff  # knows neither texts nor quotes

    tables.write_table(tmp_path / "f.arff", table)
    text = (tmp_path / "f.arff").read_text()
    assert "@attribute 'b\\'s' numeric" in text
    assert "@attribute class {even,odd}" in text
    (tmp_path / "f.arff").write_text(text.replace("'b\\'s'", "b"))
    rows, meta = arff.loadarff(tmp_path / "f.arff")
    assert meta.names() == ["a", "b", "c", "class"]
    np.testing.assert_allclose([list(row)[:3] for row in rows.tolist()], values_of(table))
    with open(tmp_path / "f.paths.csv", newline="") as stream:
        assert [row[0] for row in csv.reader(stream)][1:] == list(table.paths)


def test_without_labels_there_is_no_column_for_them(tmp_path):
    tables.write_table(tmp_path / "f.csv", small_table(labels=[""] * 4))
    assert (tmp_path / "f.csv").read_text().startswith("path,a,")


def test_any_name_is_written_as_csv_and_is_no_formula(tmp_path, odd):
    tables.write_table(tmp_path / "f.csv", odd)
    tables.write_table(tmp_path / "f.npy", odd)
    with open(tmp_path / "f.csv", newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    with open(tmp_path / "f.paths.csv", newline="", encoding="utf-8") as stream:
        assert [row[:2] for row in [["path", "label"], *rows]] == list(csv.reader(stream))
    assert header == ["path", "label", "'=a", r"b\xff"]
    for number, (name, row) in enumerate(zip(ODD_NAMES.values(), rows, strict=True)):
        is_formula = name[0] in "=-"
        assert row[0] == ("./" if is_formula else "") + name
        assert row[1] == ("'" if is_formula else "") + name
        assert row[2:] == [str(np.float32(number - 3))] * 2
    assert "\x1b" not in (tmp_path / "f.csv").read_text("utf-8")


def test_any_name_is_written_as_arff(tmp_path, odd):
    tables.write_table(tmp_path / "f.arff", odd)
    text = (tmp_path / "f.arff").read_text("utf-8")
    rows = text.partition("@data\n")[2].splitlines()
    assert len(rows) == len(ODD_NAMES)
    assert rows[0] == r"-3.0,-3.0,'odd byte \\xff\\xfe.jpg'"
    assert rows[1].endswith(r",'\\x1b[2J.jpg'")
    assert rows[2].endswith(r",'new\nline.jpg'")
