"""Names of photographs that are long."""

from dataclasses import replace

import pytest

from xception.data.photographs import Photograph
from xception.feature_extraction import tables
from xception.feature_extraction.tables import names


def photographs(count, *others):
    return [Photograph(i, path, path) for i, path in enumerate([*["folder/a.jpg"] * count, *others])]


@pytest.fixture
def low_limit(monkeypatch):
    monkeypatch.setattr(names, "MAX_TEXT_ARRAY_BYTES", 1 << 20)


@pytest.mark.usefixtures("low_limit")
def test_one_long_name_among_many_is_refused_before_the_work(tmp_path):
    many = photographs(1000, "d/" * 1500 + "b.jpg")
    with pytest.raises(
        ValueError, match=r"f\.npz: the names .* take 11 MiB.*3,005 characters: d/d/.*; write \.csv"
    ):
        tables.checked_texts(tmp_path / "f.npz", many)
    taken = []
    with pytest.raises(ValueError, match="3,005 characters"):
        taken.extend(tables.checked_texts(tmp_path / "f.npz", iter(many[::-1])))
    assert len(taken) < 100  # as soon as it is known
    assert tables.checked_texts(tmp_path / "f.csv", many) is many
    labelled = [replace(photo, label="ab"[i % 2]) for i, photo in enumerate(photographs(2000))]
    labelled[7] = replace(labelled[7], label="c" * 255)
    with pytest.raises(ValueError, match="255 characters: ccc"):
        tables.checked_texts(tmp_path / "f.npz", labelled)


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("count", [0, 80, 1000])
def test_many_names_of_ordinary_lengths_and_few_long_ones_are_accepted(tmp_path, count):
    path = tmp_path / "f.npz"
    fine = photographs(count, "d/" * (1500 if count < 100 else 30))
    assert tables.checked_texts(path, fine) is fine
    assert list(tables.checked_texts(path, iter(fine))) == fine
