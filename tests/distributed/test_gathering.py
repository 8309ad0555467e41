"""The parts of a job as one file."""

import os
import shutil
import tracemalloc
import uuid
from pathlib import Path

import numpy as np
import pytest
from job_folders import write_job

import xception
from xception.data.imagenet import Prediction
from xception.data.photographs import Photograph
from xception.distributed import gathering
from xception.distributed.gathering import gather
from xception.errors import ImageError, JobError
from xception.feature_extraction import tables
from xception.prediction import files as prediction_files

pytest.importorskip("pyarrow")

BROKEN = ImageError("broken.jpg: is no photograph")
NAMES = ["a", "b's", "c"]


def feature_results(count=11, unreadable=(3, 4, 10)):
    """Return the (path, label, result) of photographs, some of them unreadable."""
    rows = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    return [
        (f"photos/{i % 2}/{i:03} \udcff.jpg", str(i % 2), BROKEN if i in unreadable else rows[i])
        for i in range(count)
    ]


PREDICTIONS = [
    ("a.jpg", "", [Prediction("n1", "cat", 0.75), Prediction("n2", "caf\udce9", 0.25)]),
    ("b.jpg", "", BROKEN),
    ("c.jpg", "", [Prediction("n2", "dog", float(np.float32(0.1))), Prediction("n1", "=cat", 0.0)]),
    ("d.jpg", "", BROKEN),
    ("e.jpg", "x", [Prediction("n2", "dog", 1.0), Prediction("n1", "cat", 0.0)]),
]


@pytest.fixture
def job(tmp_path):
    """The folder of a job of 11 photographs in four shards, three of them unreadable."""
    write_job(tmp_path / "job", "features", NAMES, feature_results(), shard=3)
    return tmp_path / "job"


def expected_values():
    return np.stack([result for _, _, result in feature_results() if result is not BROKEN])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_the_file_is_what_features_writes(small_classifier, two_folders, tmp_path, suffix, wide):
    if wide and suffix != ".parquet":
        pytest.skip("one layout")
    (two_folders / "animals" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    model = xception.load_model(small_classifier)
    options = {"layers": ["maps", "pool"], "on_error": "skip", "output": tmp_path / f"f{suffix}"}
    features = xception.features(two_folders, model, wide=wide, **options)
    rows = dict(zip(features.indices, np.asarray(features), strict=True))
    paths = sorted(map(str, two_folders.rglob("*.jpg")))
    results = [(path, Path(path).parent.name, rows.get(i, BROKEN)) for i, path in enumerate(paths)]
    write_job(tmp_path / "job", "features", features.names, results, shard=2)
    gathered = gather(tmp_path / "job", tmp_path / f"g{suffix}", wide=wide)
    assert (gathered.photographs, gathered.features, gathered.missing) == (4, 16, 0)
    assert [failure.path for failure in gathered.failures] == [f"{two_folders}/animals/broken.jpg"]
    if suffix == ".npz":  # which holds the time
        with np.load(tmp_path / "f.npz") as f, np.load(tmp_path / "g.npz") as g:
            assert f.files == g.files
            assert all(np.array_equal(f[name], g[name]) for name in f.files)
    else:
        assert (tmp_path / f"f{suffix}").read_bytes() == (tmp_path / f"g{suffix}").read_bytes()
    if suffix == ".npy":
        assert (tmp_path / "f.paths.csv").read_bytes() == (tmp_path / "g.paths.csv").read_bytes()


@pytest.mark.parametrize("shard", [1, 2, 3, 5, 11, 100])
def test_the_order_is_that_of_the_list_whatever_the_shards(tmp_path, shard):
    results = feature_results()
    write_job(tmp_path / "job", "features", NAMES, results, shard)
    gathered = gather(tmp_path / "job", tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as saved:
        np.testing.assert_array_equal(saved["values"], expected_values())
        assert saved["names"].tolist() == NAMES
        readable = [(path, label) for path, label, result in results if result is not BROKEN]
        assert saved["paths"].tolist() == [path.replace("\udcff", r"\xff") for path, _ in readable]
        assert saved["labels"].tolist() == [label for _, label in readable]
    assert [failure.index for failure in gathered.failures] == [3, 4, 10]
    assert {failure.error for failure in gathered.failures} == {str(BROKEN)}


@pytest.mark.parametrize("shard", [1, 2, 4, 5])
@pytest.mark.parametrize("suffix", prediction_files.FORMATS)
def test_predictions(tmp_path, suffix, shard):
    write_job(tmp_path / "job", "predictions", [], PREDICTIONS, shard)
    gathered = gather(tmp_path / "job", tmp_path / f"g{suffix}")
    assert (gathered.photographs, gathered.features, len(gathered.failures)) == (3, 0, 2)
    items = [
        (Photograph(i, path, path, label), result) for i, (path, label, result) in enumerate(PREDICTIONS)
    ]
    prediction_files.write_predictions(tmp_path / f"f{suffix}", items)
    f, g = ((tmp_path / f"{name}{suffix}").read_text("latin-1") for name in "fg")
    assert g == (f.replace(r"\udce9", r"\\xe9") if suffix in (".jsonl", ".json") else f)


def test_places_may_be_remote(tmp_path, job, monkeypatch):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))
    fsspec = pytest.importorskip("fsspec")
    place = f"memory://{uuid.uuid4().hex}"
    files = fsspec.filesystem("memory")
    for path in job.iterdir():
        files.pipe_file(f"{place}/job/{path.name}", path.read_bytes())
    gather(job, tmp_path / "f.npy")
    gather(f"{place}/job/", f"{place}/out/f.npy")
    for name in ("f.npy", "f.paths.csv"):
        assert files.cat_file(f"{place}/out/{name}") == (tmp_path / name).read_bytes()
    gather(f"{place}/job/", tmp_path / "g.npy")
    assert (tmp_path / "f.npy").read_bytes() == (tmp_path / "g.npy").read_bytes()


# --- what cannot be gathered ----------------------------------------------------------------


def test_missing_shards_are_counted_and_named(tmp_path):
    write_job(tmp_path / "job", "features", NAMES, feature_results(), shard=1, without=range(2, 9))
    with pytest.raises(
        JobError, match=r"7 of 11 shards are missing \(part-000002.parquet, .*, …\): run the job"
    ):
        gather(tmp_path / "job", tmp_path / "f.npy")
    assert sorted(os.listdir(tmp_path)) == ["job"]


def test_partial_takes_what_there_is(tmp_path):
    write_job(tmp_path / "job", "features", NAMES, feature_results(), shard=3, without=[1])
    gathered = gather(tmp_path / "job", tmp_path / "f.npy", partial=True)
    assert (gathered.photographs, gathered.missing, len(gathered.failures)) == (7, 1, 1)
    # Photographs 3, 4 and 5 are left out, of which only 5 can be read.
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), expected_values()[[0, 1, 2, 4, 5, 6, 7]])


def test_partial_of_nothing_is_an_error(tmp_path):
    write_job(tmp_path / "job", "features", NAMES, feature_results(), shard=3, without=range(4))
    with pytest.raises(JobError, match="4 of 4 shards are missing"):
        gather(tmp_path / "job", tmp_path / "f.npy", partial=True)


def test_a_folder_without_a_job(tmp_path):
    with pytest.raises(JobError, match=r"holds no job, as it has no job\.json; expected the folder that"):
        gather(tmp_path, tmp_path / "f.npy")
    with pytest.raises(JobError, match="none: there is no such folder"):
        gather(tmp_path / "none", tmp_path / "f.npy")
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="file: is a file, expected a folder"):
        gather(tmp_path / "file", tmp_path / "f.npy")


def test_a_part_of_the_job_is_not_written_over(tmp_path):
    job = tmp_path / "job"
    write_job(job, "features", NAMES, feature_results(4, range(0)), shard=3)
    parts = {path: path.read_bytes() for path in job.iterdir()}
    with pytest.raises(ValueError, match=r"part-000000.parquet: lies in the folder of the job; name a file"):
        gather(job, job / "part-000000.parquet")
    assert {path: path.read_bytes() for path in job.iterdir()} == parts


def test_a_job_whose_photographs_are_all_unreadable(tmp_path):
    write_job(tmp_path / "job", "features", NAMES, feature_results(4, range(4)), shard=3)
    with pytest.raises(ValueError, match="none of its photographs could be read"):
        gather(tmp_path / "job", tmp_path / "f.npy")


def test_the_output_is_checked_before_the_work(tmp_path, job):
    with pytest.raises(ValueError, match=r"ends in \.npz, \.npy, \.csv, \.parquet, \.arff"):
        gather(job, tmp_path / "f.jsonl")
    with pytest.raises(ValueError, match=r"'wide' is a layout of \.parquet"):
        gather(job, tmp_path / "f.csv", wide=True)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        gather(job, tmp_path / "no" / "f.csv")
    write_job(tmp_path / "named", "predictions", [], PREDICTIONS, 2)
    with pytest.raises(ValueError, match=r"ends in \.jsonl, \.csv, \.json, \.parquet"):
        gather(tmp_path / "named", tmp_path / "f.npz")
    with pytest.raises(ValueError, match="'wide' is a layout of features"):
        gather(tmp_path / "named", tmp_path / "f.parquet", wide=True)


# --- folders from strangers -----------------------------------------------------------------


def part(job, index):
    return job / f"part-{index:06}.parquet"


def errors(job, index):
    return job / f"part-{index:06}.errors.jsonl"


def another_job(job):
    results = [(path.replace("photos", "others"), *rest) for path, *rest in feature_results()]
    write_job(job.parent / "other", "features", NAMES, results, shard=3)
    shutil.copy(part(job.parent / "other", 2), part(job, 2))


def fewer_features(job):
    results = [(path, label, BROKEN if row is BROKEN else row[:2]) for path, label, row in feature_results()]
    write_job(job.parent / "other", "features", NAMES[:2], results, shard=3)
    shutil.copy(part(job.parent / "other", 2), part(job, 2))


def predictions(job):
    write_job(job.parent / "other", "predictions", [], PREDICTIONS, shard=3)
    shutil.copy(part(job.parent / "other", 0), part(job, 2))


def error_with_a_row(job):
    """Say that the last photograph of the first shard could not be read, although it has a row."""
    errors(job, 0).write_text('{"index": 2, "path": "a.jpg", "label": "", "error": "broken"}\n')


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


CHANGES = {
    "a part is cut": lambda job: cut(part(job, 2)),
    "a part is no Parquet": lambda job: part(job, 2).write_text("no"),
    "a part of another shard": lambda job: shutil.copy(part(job, 0), part(job, 2)),
    "a part of another job": another_job,
    "a part with fewer rows": lambda job: shutil.copy(part(job, 1), part(job, 2)),
    "a part with fewer features": fewer_features,
    "a part of predictions": predictions,
    "no errors where rows lack": lambda job: errors(job, 1).unlink(),
    "errors where no rows lack": lambda job: errors(job, 0).write_bytes(errors(job, 1).read_bytes()),
    "an error of a photograph with a row": error_with_a_row,
    "errors twice": lambda job: errors(job, 1).write_bytes(errors(job, 1).read_bytes() * 2),
    "errors that are no JSON": lambda job: errors(job, 1).write_text("[[["),
    "the list is shorter": lambda job: cut(next(job.glob("photographs-*.jsonl"))),
    "the list is garbage": lambda job: next(job.glob("photographs-*.jsonl")).write_bytes(b"\xff" * 2000),
    "job.json is garbage": lambda job: (job / "job.json").write_bytes(b"\xff{"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, job, kind):
    CHANGES[kind](job)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f.csv").write_text("before")
    with pytest.raises(JobError):
        gather(job, tmp_path / "out" / "f.csv")
    assert os.listdir(tmp_path / "out") == ["f.csv"]
    assert (tmp_path / "out" / "f.csv").read_text() == "before"


@pytest.mark.parametrize("suffix", [*tables.FORMATS])
def test_an_interrupted_gather_leaves_nothing(tmp_path, job, suffix, monkeypatch):
    read_part = gathering.read_part

    def interrupted(folder, record, index):
        if index == 2:
            raise KeyboardInterrupt
        return read_part(folder, record, index)

    monkeypatch.setattr(gathering, "read_part", interrupted)
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        gather(job, tmp_path / "out" / f"f{suffix}")
    assert not os.listdir(tmp_path / "out")


def test_memory_does_not_grow_with_the_rows(tmp_path):
    row = np.zeros(1000, np.float32)
    results = [(f"{i}.jpg", "", row) for i in range(10_000)]  # 40 MB
    write_job(tmp_path / "job", "features", [f"feature_{i}" for i in range(1000)], results, shard=1000)
    for suffix in (".npy", ".parquet"):
        tracemalloc.start()
        try:
            gather(tmp_path / "job", tmp_path / f"f{suffix}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 20 << 20
    assert (tmp_path / "f.npy").stat().st_size > 40_000_000
