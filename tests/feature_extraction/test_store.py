"""Features of many photographs: kept as they come, taken up again, written as tables."""

import csv
import os
import shutil

import numpy as np
import pytest
import small_models

from xception.data.photographs import Photograph, find
from xception.feature_extraction import tables
from xception.feature_extraction.store import FeatureStore, by_content, fingerprint
from xception.feature_extraction.tables import Table


@pytest.fixture
def photos(tmp_path):
    found = []
    for number in range(7):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes([number]))
        found.append(Photograph(str(path), "odd" if number % 2 else "even"))
    return found


def row(photo):
    return np.array([int(os.path.basename(photo.path)[0]) + column / 8 for column in range(3)], np.float32)


def fill(store, photos):
    for photo in photos:
        store.add([photo], row(photo)[np.newaxis])


def check(store, photos):
    found, rows, order = store.rows(photos)
    assert found == photos
    np.testing.assert_array_equal(rows[order], [row(photo) for photo in photos])


def test_what_is_there_is_not_asked_for_again(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        assert store.missing(photos) == photos
        fill(store, photos[:4])
        assert store.missing(photos) == photos[4:]
    with FeatureStore(tmp_path / "store", "a") as store:
        assert store.missing(photos) == photos[4:]
        fill(store, photos[4:])
        check(store, photos)
        check(store, photos[::-2])


@pytest.mark.parametrize("name", ["rows.f32", "photos.jsonl"])
@pytest.mark.parametrize("cut", [1, 5, 13, 30])
def test_whatever_is_cut_off_is_computed_again(tmp_path, photos, name, cut):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    path = tmp_path / "store" / name
    os.truncate(path, path.stat().st_size - cut)
    with FeatureStore(tmp_path / "store", "a") as store:
        missing = store.missing(photos)
        assert 0 < len(missing) < 7
        fill(store, missing)
        check(store, photos)


def test_one_process_at_a_time(tmp_path, photos):
    pytest.importorskip("fcntl")
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos[:2])
        with pytest.raises(OSError, match="another process is at work here"), FeatureStore(store.folder, "a"):
            pass
    with FeatureStore(tmp_path / "store", "a") as store:
        check(store, photos[:2])


def test_a_store_of_nothing(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        assert store.rows(photos)[0] == []
        store.remove()
    assert not (tmp_path / "store").exists()


def test_rows_of_another_model_are_thrown_away(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with FeatureStore(tmp_path / "store", "b") as store:
        assert store.missing(photos) == photos
    one, two = small_models.model(small_models.base()), small_models.model(small_models.base(), seed=4)
    assert fingerprint(one, "avg") == fingerprint(small_models.model(small_models.base()), "avg")
    assert len({fingerprint(one, "avg"), fingerprint(one, "max"), fingerprint(two, "avg")}) == 3


def test_a_photograph_that_changed_is_computed_again(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with open(photos[2].path, "ab") as stream:
        stream.write(b"more")
    with FeatureStore(tmp_path / "store", "a") as store:
        assert store.missing(photos) == [photos[2]]
        store.add([photos[2]], np.full((1, 3), 9, np.float32))
        _, rows, order = store.rows(photos)
        assert rows[order][2].tolist() == [9, 9, 9]


def test_by_content_a_photograph_may_move(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a", by_content) as store:
        fill(store, photos)
    shutil.move(photos[2].path, tmp_path / "2 moved.jpg")
    with FeatureStore(tmp_path / "store", "a", by_content) as store:
        assert store.missing([Photograph(str(tmp_path / "2 moved.jpg")), photos[0]]) == []
        assert store.missing([photos[2]]) == [photos[2]]


def test_labels_are_the_folders_below(tmp_path):
    for name in ("cats/a.jpg", "dogs/b.jpg", "c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    complaints = []
    found = find([str(tmp_path), str(tmp_path / "cats"), "nowhere/*.jpg"], lambda *c: complaints.append(c))
    assert [(os.path.basename(photo.path), photo.label) for photo in found] == [
        ("c.jpg", ""), ("a.jpg", "cats"), ("b.jpg", "dogs"),
    ]  # fmt: skip
    assert complaints[0][0] == "nowhere/*.jpg"


# --- tables ---------------------------------------------------------------------------------


@pytest.fixture
def table(photos):
    rows = np.array([row(photo) for photo in photos])
    names = ("a", "b's", "c")
    return Table([photos[6], *photos[:3]], rows, [6, 0, 1, 2], names)


def expected(table):
    return table.rows[table.order]


def test_npz(tmp_path, table):
    tables.write(tmp_path / "f.npz", table)
    with np.load(tmp_path / "f.npz") as found:
        np.testing.assert_array_equal(found["features"], expected(table))
        assert found["names"].tolist() == [photo.path for photo in table.photos]
        assert found["labels"].tolist() == ["even", "even", "odd", "even"]


def test_npy(tmp_path, table):
    tables.write(tmp_path / "f.npy", table)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), expected(table))
    listed = list(csv.reader((tmp_path / "f.photos.csv").read_text().splitlines()))
    assert listed == [["photo", "label"], *map(list, table.photos)]


def test_csv(tmp_path, table):
    tables.write(tmp_path / "f.csv", table)
    header, *rows = csv.reader((tmp_path / "f.csv").read_text().splitlines())
    assert header == ["photo", "label", *table.names]
    assert [row[:2] for row in rows] == [list(photo) for photo in table.photos]
    np.testing.assert_array_equal(np.array([row[2:] for row in rows], np.float32), expected(table))


def test_arff(tmp_path, table):
    tables.write(tmp_path / "f.arff", table)
    text = (tmp_path / "f.arff").read_text()
    assert "@attribute 'b\\'s' numeric" in text
    assert "@attribute class {even,odd}" in text
    from scipy.io import arff  # which knows neither texts nor quotes

    lines = (line for line in text.splitlines() if "photo string" not in line)
    plain = "\n".join(line.partition("jpg',")[2] or line for line in lines)
    (tmp_path / "g.arff").write_text(plain.replace("'b\\'s'", "b"))
    found, meta = arff.loadarff(tmp_path / "g.arff")
    assert meta.names() == ["a", "b", "c", "class"]
    np.testing.assert_allclose([list(row)[:3] for row in found.tolist()], expected(table))


def test_parquet(tmp_path, table):
    parquet = pytest.importorskip("pyarrow.parquet")
    tables.write(tmp_path / "f.parquet", table)
    found = parquet.read_table(tmp_path / "f.parquet")
    assert found.column_names == ["photo", "label", *table.names]
    assert found["photo"].to_pylist() == [photo.path for photo in table.photos]
    np.testing.assert_array_equal(np.stack([found[name] for name in table.names], axis=1), expected(table))


def test_a_table_of_another_kind(tmp_path, table):
    with pytest.raises(ValueError, match=r"ends in \.npz, \.npy, \.csv, \.parquet, \.arff"):
        tables.write(tmp_path / "f.xlsx", table)
