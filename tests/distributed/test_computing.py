"""Every figure of a job equals that of one process with one thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from job_tasks import is_first

import xception
from xception.distributed import Processes, computing, prepare
from xception.engine import lanes
from xception.jobs.shard_files import read_part

pytest.importorskip("pyarrow")


@pytest.fixture
def one_thread():
    xception.set_num_threads(1)
    yield
    xception.set_num_threads(None)


def batches(job):
    return [b for i in range(job.record.shard_count) for b in read_part(job.folder, job.record, i)]


def check_features(job, expected):
    np.testing.assert_array_equal(np.concatenate([b.results for b in batches(job)]), expected.values)
    assert [path for b in batches(job) for path in b.paths] == expected.paths
    assert [label for b in batches(job) for label in b.labels] == expected.labels
    assert [(f.index, f.path, f.error) for f in job.failures()] == [
        (f.index, f.path, str(f)) for f in expected.failures
    ]


def test_features(photos, small_model, tmp_path, one_thread):
    layers = ["block4_pool", "avg_pool"]
    expected = xception.features(photos, small_model, layers=layers, pooling="max", on_error="skip")
    assert (len(expected), len(expected.failures)) == (9, 5)
    xception.set_num_threads(2)
    job = prepare(photos, tmp_path / "out", small_model, layers=layers, pooling="max", shard=4)
    job.run(Processes(2))
    check_features(job, expected)
    other = prepare(photos, tmp_path / "other", small_model, layers=layers, pooling="max", shard=5)
    other.run(each=map)
    check_features(other, expected)


def test_predictions(photos, small_model, tmp_path, one_thread):
    names = ["cat", "cup", "rocket"]
    expected = xception.predict(photos, small_model, class_names=names, top=2, on_error="skip")
    job = prepare(
        photos, tmp_path / "out", small_model, task="predictions", class_names=names, top=2, shard=4
    )
    report = job.run(Processes(2))
    assert (report.photographs, report.unreadable) == (9, 5)
    results = [[tuple(p) for p in result] for b in batches(job) for result in b.results]
    assert results == [[tuple(prediction) for prediction in entry] for entry in expected]


def test_a_job_of_labels_or_numbers_follows_the_task_and_threshold(photos, tmp_path, one_thread):
    from color_models import label_model, number_model

    classifier = xception.Classifier(label_model("linear"), threshold=0.45)
    for name, argument in (("labels", classifier), ("numbers", number_model(2, ["red", "green"]))):
        expected = xception.predict(photos, argument, on_error="skip")
        job = prepare(photos, tmp_path / name, argument, task="predictions", shard=4)
        job.run(each=map)
        results = [[tuple(p) for p in result] for b in batches(job) for result in b.results]
        assert results == [[tuple(prediction) for prediction in entry] for entry in expected]
        assert (len({len(result) for result in results}) > 1) == (name == "labels")
    with pytest.raises(ValueError, match="Leave top out"):
        prepare(photos, tmp_path / "top", number_model(), task="predictions", top=3)
    with pytest.raises(xception.JobError, match=r"threshold: 0\.45 there, 0\.5 here"):
        prepare(photos, tmp_path / "labels", label_model("linear"), task="predictions", shard=4)


@pytest.mark.parametrize(
    ("names", "from_logits"),
    [
        (None, None),
        (None, True),
        (None, False),
        (["no", "yes"], None),
        (["no", "yes"], True),
        (["one"], True),
    ],
)
def test_decisions_of_a_classifier_are_kept(photos, tmp_path, names, from_logits):
    from small_models import model, row

    from xception.layers import Dense, GlobalAveragePooling2D, Input, Rescaling

    one_output = model(
        row("one", ("image", Input((16, 16, 3))), ("scaled", Rescaling(1 / 255)),
            ("pool", GlobalAveragePooling2D()), ("score", Dense(1)))
    )  # fmt: skip
    classifier = xception.Classifier(one_output, class_names=names, from_logits=from_logits)
    expected = xception.predict(photos, classifier, on_error="skip")
    job = prepare(photos, tmp_path / "out", classifier, task="predictions")
    job.run(each=map)
    results = [[tuple(p) for p in result] for b in batches(job) for result in b.results]
    assert results == [[tuple(prediction) for prediction in entry] for entry in expected]


def test_a_photograph_that_kills_its_process(photos, small_classifier, tmp_path, one_thread, add_killing):
    job = prepare(photos, tmp_path / "out", small_classifier, shard=4)
    report = job.run(Processes(2))
    (photos / "a" / "killing.jpg").write_bytes(b"")
    expected = xception.features(photos, small_classifier, on_error="skip")
    np.testing.assert_array_equal(np.concatenate([b.results for b in batches(job)]), expected.values)
    assert (report.photographs, report.unreadable) == (9, 6)
    assert [f.error.rpartition(": ")[2] for f in report.failures if "killing" in f.path] == [
        "killed the process that read it (signal 9)"
    ]


def test_several_threads_of_a_worker_compute_side_by_side_what_one_thread_computes(
    photos, small_model, tmp_path, one_thread, monkeypatch
):
    expected = xception.features(photos, small_model, on_error="skip")
    xception.set_num_threads(3)
    loads, most, shared = [], 0, lanes._shared
    load, run = computing.load_kept, xception.Model.features

    def counting(model, *arguments, **options):
        nonlocal most
        most = max(most, shared.count_lanes())
        return run(model, *arguments, **options)

    monkeypatch.setattr(computing, "load_kept", lambda *given: loads.append(given) or load(*given))
    monkeypatch.setattr(xception.Model, "features", counting)
    job = prepare(photos, tmp_path / "out", small_model, shard=2)
    with ThreadPoolExecutor(5) as pool:
        job.run(each=pool.map)
    check_features(job, expected)
    assert 2 <= most <= 3
    assert len(loads) == 1


def test_a_network_error_is_raised(good_photos, small_classifier, tmp_path, monkeypatch):
    job = prepare(good_photos, tmp_path / "out", small_classifier)
    load = xception.prediction.preprocessing.Preprocessor.load

    def unreachable(self, source):
        if source.endswith("4.jpg") and is_first(tmp_path, "asked"):
            raise xception.RemoteError(f"{source}: cannot be reached")
        return load(self, source)

    monkeypatch.setattr(xception.prediction.preprocessing.Preprocessor, "load", unreachable)
    report = job.run(each=map)
    assert (report.photographs, report.unreadable) == (9, 0)


def test_limits_reach_the_workers(good_photos, small_classifier, tmp_path):
    xception.set_limits(max_pixels=1000)
    job = prepare(good_photos, tmp_path / "out", small_classifier)
    report = job.run(Processes(1))
    assert report.unreadable == 9
    assert "is too large" in report.failures[0].error
    xception.set_limits(max_pixels=10**6)
    report = job.run(Processes(1), retry_bad=True)
    assert (report.photographs, report.unreadable) == (9, 0)


def test_features_in_a_folder_from_python(photos, small_classifier, tmp_path, one_thread):
    expected = xception.features(photos, small_classifier, on_error="skip")
    failures = []
    result = xception.features(photos, small_classifier, output=f"{tmp_path}/out/", on_error=failures.append)
    assert (result.paths, result.labels, result.indices) == (
        expected.paths,
        expected.labels,
        expected.indices,
    )
    np.testing.assert_array_equal(result.values, expected.values)
    assert [str(failure) for failure in failures] == [str(failure) for failure in expected.failures]
    assert result.resumed == 0
    again = xception.features(photos, small_classifier, output=tmp_path / "out", on_error="skip")
    assert again.resumed == 9
    with pytest.raises(xception.ImageError, match=r"cut\.jpg"):
        xception.features(photos, small_classifier, output=tmp_path / "out")
    with pytest.raises(ValueError, match="verify applies to a file"):
        xception.features(photos, small_classifier, output=tmp_path / "out", verify=True)
    (tmp_path / "out" / "part-000000.parquet").unlink()
    with pytest.raises(OSError, match=r"part-000000\.parquet"):
        _ = again.values
