"""`predict(output=…)`: files of predictions."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import xception
from xception.prediction import files
from xception.prediction.lines import SUFFIXES
from xception.storage import parts


@pytest.fixture(scope="module")
def model(small_classifier):
    return xception.load_model(small_classifier)


@pytest.fixture
def photos(examples, tmp_path):
    (tmp_path / "photos" / "here").mkdir(parents=True)
    paths = [tmp_path / "photos" / "here" / f"{number}.jpg" for number in range(3)]
    for path, name in zip(paths, ("chelsea", "coffee", "rocket"), strict=True):
        shutil.copy(examples / f"{name}.jpg", path)
    return paths


@pytest.fixture
def needs_pyarrow(suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")


def read_rows(path):
    """Return [(path, [(class_id, class_name, score), …]), …] of a file of any format."""
    if path.suffix == ".csv":
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        by_path = {}
        for row in rows:
            entry = by_path.setdefault(row["path"] or None, [])
            entry.append((row["class_id"], row["class_name"], float(row["score"])))
            assert row["rank"] == str(len(entry))
        return list(by_path.items())
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return [
            (row["path"], list(zip(row["class_ids"], row["class_names"], row["scores"], strict=True)))
            for row in pyarrow.parquet.read_table(path).to_pylist()
        ]
    text = path.read_text()
    items = json.loads(text) if path.suffix == ".json" else list(map(json.loads, text.splitlines()))
    return [(item["path"], [tuple(entry.values()) for entry in item["predictions"]]) for item in items]


def interrupt_the_writing(images, model, output, monkeypatch, **options):
    """Compute the scores, and fail when the file is written."""

    def disk_full(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_predictions", disk_full)
        with pytest.raises(OSError, match="disk full"):
            xception.predict(images, model, output=output, **options)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("needs_pyarrow")
def test_a_file_holds_what_predict_returns(model, photos, tmp_path, suffix):
    output = tmp_path / f"p{suffix}"
    expected = xception.predict(photos[0].parent, model, top=2)
    result = xception.predict(photos[0].parent, model, top=2, output=output)
    assert (result.path, len(result), result.failures, result.resumed) == (str(output), 3, [], 0)
    assert repr(result) == f"<WrittenPredictions {output}: 3 photographs>"
    rows = read_rows(output)
    assert [path for path, _ in rows] == expected.paths
    for (_, entry), predictions in zip(rows, expected, strict=True):
        assert [cells[:2] for cells in entry] == [prediction[:2] for prediction in predictions]
        scores = [prediction.score for prediction in predictions]
        np.testing.assert_allclose([cells[2] for cells in entry], scores, rtol=1e-5)
    assert not list(tmp_path.glob(".*"))


def test_parquet_has_labels_and_small_row_groups(model, photos, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parts, "MAX_GROUP_CLASSES", 4)
    xception.predict(tmp_path / "photos", model, top=3, output=tmp_path / "p.parquet")
    file = parquet.ParquetFile(tmp_path / "p.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 1]
    assert file.read().column("label").to_pylist() == ["here"] * 3
    assert file.schema_arrow.names == ["path", "label", "class_ids", "class_names", "scores"]


def test_photographs_that_cannot_be_read(model, photos, tmp_path):
    photos[1].write_bytes(b"no photograph")
    images = [*photos, np.zeros((16, 16, 3), np.uint8), tmp_path / "*.gif"]
    with pytest.raises(OSError, match="no file matches"):
        xception.predict(images, model, output=tmp_path / "p.jsonl")
    seen = []
    result = xception.predict(images, model, output=tmp_path / "p.jsonl", on_error=seen.append)
    assert (len(result), result.failures) == (3, seen)
    assert [failure.path for failure in seen] == [str(tmp_path / "*.gif"), str(photos[1])]
    assert repr(result) == f"<WrittenPredictions {result.path}: 3 photographs, 2 failures>"
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(tmp_path / "*.gif"), *map(str, photos), None]
    assert ["error" in line for line in lines] == [True, False, True, False, False]
    assert lines[2] == {"path": str(photos[1]), "error": str(seen[1].error)}
    xception.predict(images, model, output=tmp_path / "p.csv", on_error="skip", top=1)
    assert [path for path, _ in read_rows(tmp_path / "p.csv")] == [str(photos[0]), str(photos[2]), None]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("needs_pyarrow")
def test_without_a_readable_photograph_nothing_is_written(model, photos, tmp_path, suffix):
    output = tmp_path / f"p{suffix}"
    for number in range(2):
        result = xception.predict(tmp_path / "no.jpg", model, output=output, on_error="skip")
        assert (len(result), len(result.failures)) == (0, 1)
        assert output.exists() == bool(number)
        output.write_text("precious")
    assert output.read_text() == "precious"
    assert not list(tmp_path.glob(".*"))


def test_scores_are_used_again_with_other_names_and_another_number_of_classes(
    model, photos, tmp_path, monkeypatch
):
    output = tmp_path / "p.jsonl"
    photos[1].write_bytes(b"no photograph")
    interrupt_the_writing(photos, model, output, monkeypatch, on_error="skip")
    assert (tmp_path / ".p.jsonl.progress").is_dir()
    assert not output.exists()
    shutil.copy(photos[0], photos[1])  # what failed is tried again
    read = []
    monkeypatch.setattr(
        xception.Classifier, "probabilities",
        lambda self, pixels, compute=xception.Classifier.probabilities: (
            read.append(len(pixels)) or compute(self, pixels)
        ),
    )  # fmt: skip
    names = ["a", "b", "c"]
    result = xception.predict(iter(photos), model, output=output, top=1, class_names=names)
    assert (len(result), result.resumed, sum(read)) == (3, 2, 1)
    expected = xception.predict(photos, model, top=1, class_names=names)
    rows = read_rows(output)
    assert [path for path, _ in rows] == expected.paths
    assert [entry[0][1] for _, entry in rows] == [entry[0].class_name for entry in expected]
    scores = [entry[0].score for entry in expected]
    np.testing.assert_allclose([entry[0][2] for _, entry in rows], scores, rtol=1e-5)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "options",
    [
        {"scaling": "tf"},
        {"interpolation": "nearest"},
        {"decode": "fast"},
        {"from_logits": True},
        {"weights": True},
    ],
)
def test_scores_of_other_settings_are_not_used_again(
    small_classifier, photos, tmp_path, monkeypatch, options
):
    model = xception.load_model(small_classifier)
    classifier = xception.Classifier(model)
    interrupt_the_writing(photos, classifier, tmp_path / "p.json", monkeypatch)
    if options.pop("weights", False):
        model.set_weights([2 * array for array in model.get_weights()])
    else:
        classifier = xception.Classifier(model, **options)
    assert xception.predict(photos, classifier, output=tmp_path / "p.json").resumed == 0


@pytest.mark.parametrize("verify", [False, True])
def test_with_verify_a_photograph_is_compared_by_its_content(model, tmp_path, monkeypatch, verify):
    photo = tmp_path / "a.bmp"
    Image.new("RGB", (20, 20), (255, 0, 0)).save(photo)
    interrupt_the_writing(photo, model, tmp_path / "p.csv", monkeypatch)
    status = photo.stat()
    Image.new("RGB", (20, 20), (0, 255, 0)).save(photo)
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = xception.predict(photo, model, output=tmp_path / "p.csv", verify=verify)
    assert result.resumed == (not verify)


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("needs_pyarrow")
def test_names_with_any_bytes(model, photos, tmp_path, suffix):
    odd = photos[0].with_name("=\x1b[2J\r\n\udcfe.jpg")
    photos[0].rename(odd)
    output = tmp_path / f"p{suffix}"
    xception.predict(odd, model, output=output, class_names=["=1+1", "café", "b,\n"])
    ((path, entry),) = read_rows(output)
    escaped = {
        ".csv": str(odd).replace("\x1b", r"\x1b").replace("\udcfe", r"\xfe"),
        ".parquet": str(odd).replace("\udcfe", r"\xfe"),
    }
    assert path == escaped.get(suffix, str(odd))
    formula = "'=1+1" if suffix == ".csv" else "=1+1"
    assert {name for _, name, _ in entry} == {formula, "café", "b,\n"}
    assert b"\x1b" not in output.read_bytes() or suffix == ".parquet"


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_scores_that_are_not_finite_are_null(small_classifier, photos, tmp_path, suffix):
    model = xception.load_model(small_classifier)
    model.set_weights([array * np.nan for array in model.get_weights()])
    xception.predict(photos, model, output=tmp_path / f"p{suffix}")
    assert "NaN" not in (tmp_path / f"p{suffix}").read_text()
    assert read_rows(tmp_path / f"p{suffix}")[0][1][0][2] is None


def test_a_folder_gets_a_file_per_shard(model, photos, tmp_path):
    pytest.importorskip("pyarrow")
    photos[1].write_bytes(b"no photograph")
    folder = f"{tmp_path / 'shards'}/"
    expected = xception.predict(photos, model, top=2, on_error="skip")
    for resumed in (0, 2):
        result = xception.predict(photos, model, top=2, output=folder, on_error="skip")
        assert (result.path, len(result), result.resumed) == (folder, 2, resumed)
        assert [failure.path for failure in result.failures] == [str(photos[1])]
    rows = [row for part in sorted((tmp_path / "shards").glob("*.parquet")) for row in read_rows(part)]
    assert [path for path, _ in rows] == expected.paths
    assert [entry[0][1] for _, entry in rows] == [entry[0].class_name for entry in expected]
    with pytest.raises(ValueError, match="verify applies to a file"):
        xception.predict(photos, model, output=folder, verify=True)


def test_wrong_outputs_are_refused_before_the_work(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "predict_to_file", lambda *_: pytest.fail("it was computed"))
    for output, error, message in (
        ("p.txt", ValueError, r"p\.txt: expected a name that ends in \.jsonl, \.csv, \.json, \.parquet"),
        ("no/p.csv", FileNotFoundError, "there is no such folder"),
    ):
        with pytest.raises(error, match=message):
            xception.predict(photos, "no.keras", output=tmp_path / output)
