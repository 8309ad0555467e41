"""Jobs are prepared once, taken up again, and refused if anything differs."""

import json
import os
import shutil
import threading
import uuid

import numpy as np
import PIL
import pytest
from small_models import heads

import xception
from xception.distributed import preparation, prepare
from xception.jobs.record import JOB
from xception.jobs.shard_files import read_part

pytest.importorskip("pyarrow")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def given(photos, output, small_classifier):
    """The arguments of a job whose model is quick."""
    return {"images": str(photos), "output": output, "model": small_classifier}


def names(folder):
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


def test_a_job_is_written_down_before_anything_is_computed(given, output, small_classifier):
    job = prepare(**given, shard=4)
    assert repr(job) == f"<Job {output}: features of 14 photographs in 4 shards>"
    assert names(output) == [JOB, "model.keras", "photographs"]
    assert (output / "model.keras").read_bytes() == small_classifier.read_bytes()
    assert len(job.missing()) == 4


def test_the_same_arguments_take_it_up(given, output):
    first = prepare(**given)
    (output.parent / "photos" / "a" / "new.jpg").touch()
    second = prepare(**given)
    assert second.record.identity == first.record.identity
    assert names(output) == [JOB, "model.keras", "photographs"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": "pool"}, "layers: None there, ['pool'] here"),
        ({"pooling": "max"}, "pooling: avg there, max here"),
        ({"scaling": "tf"}, "scaling: none there, tf here"),
        ({"interpolation": "nearest"}, "interpolation: bilinear there, nearest here"),
        (
            {"aspect": "crop", "exif": "ignore"},
            "aspect: stretch there, crop here; exif: upright there, ignore",
        ),
        ({"decode": "fast"}, "decode: exact there, fast here"),
        ({"shard": 3}, "shard: 16 there, 3 here"),
        ({"task": "predictions"}, "task: features there, predictions here"),
    ],
)
def test_a_job_with_other_settings_is_refused(given, changes, message):
    prepare(**given)
    with pytest.raises(xception.JobError, match="holds another job") as caught:
        prepare(**{**given, **changes})
    assert message in str(caught.value)


def test_a_job_with_other_weights_is_refused(given):
    prepare(**given)
    model = xception.load_model(given["model"])
    model.set_weights([array + 1 for array in model.get_weights()])
    with pytest.raises(xception.JobError, match="the model: it has other layers or weights"):
        prepare(**{**given, "model": model})


def test_one_of_several_outputs_alone_is_kept_however_it_is_given(photos, output, tmp_path):
    built = heads(species=3, young=2)
    built.save(tmp_path / "heads.keras")
    expected = xception.predict(photos, built, output_name="species", on_error="skip")
    given = {"images": str(photos), "output": output, "task": "predictions"}
    job = prepare(model=tmp_path / "heads.keras", output_name="species", **given)
    classifier = xception.Classifier(tmp_path / "heads.keras", output_name="species")  # as the command does
    assert prepare(model=classifier, **given).record.identity == job.record.identity
    assert prepare(model=built, output_name="species", **given).record.identity == job.record.identity
    with pytest.raises(xception.JobError, match="the model: it has other layers or weights"):
        prepare(model=built, output_name="young", **given)
    job.run(each=map)
    rows = [result for batch in read_part(job.folder, job.record, 0) for result in batch.results]
    assert [[tuple(p) for p in result] for result in rows] == [[tuple(p) for p in e] for e in expected]
    assert xception.load_model(output / "model.keras").output_names == ("species",)


def test_a_job_of_other_photographs_is_refused(given, photos):
    prepare(**given)
    with pytest.raises(xception.JobError, match=r"photographs: .*photos there, .*photos/a here"):
        prepare(**{**given, "images": photos / "a"})
    with pytest.raises(xception.JobError, match=r"photographs: .*photos there, .*photos/a and 1 more here"):
        prepare(**{**given, "images": [photos / "a", photos / "b"]})


def test_photographs_may_be_given_in_many_ways(given, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = prepare(**given)
    for images in (photos, f"{photos}/", "photos", ["photos"], iter([photos]), np.array(["photos"])):
        assert prepare(**{**given, "images": images}).record.identity == first.record.identity


def test_a_job_of_other_versions_is_refused(given, monkeypatch):
    prepare(**given)
    monkeypatch.setattr(PIL, "__version__", "1.0")
    with pytest.raises(xception.JobError, match=r"Pillow: .* there, 1\.0 here") as caught:
        prepare(**given)
    assert "layers or weights" not in str(caught.value)


def test_a_worker_of_other_versions_refuses(given, monkeypatch):
    job = prepare(**given)
    monkeypatch.setattr(PIL, "__version__", "1.0")
    with pytest.raises(xception.JobError, match=r"this process has Pillow 1\.0 instead of"):
        job.run(each=map)


def test_a_model_that_was_exchanged_is_refused(given, output):
    job = prepare(**given)
    model = xception.load_model(given["model"])
    model.set_weights([array + 1 for array in model.get_weights()])
    model.save(output / "model.keras")
    with pytest.raises(xception.JobError, match=r"model\.keras: is another model than the one that the job"):
        job.run(each=map)


def test_a_folder_with_other_files_is_refused(given, output):
    output.mkdir()
    (output / "thesis.doc").touch()
    with pytest.raises(xception.JobError, match=r"holds other files \(thesis\.doc\), but no job"):
        prepare(**given)
    (output / "thesis.doc").rename(output / ".DS_Store")
    prepare(**given)


def test_a_folder_in_no_folder_is_refused(given, output):
    with pytest.raises(FileNotFoundError, match="there is no such folder to make out in"):
        prepare(**{**given, "output": output / "deep" / "out"})
    output.touch()
    with pytest.raises(NotADirectoryError, match="is a file, expected a folder"):
        prepare(**given)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((2, 16, 16, 3)), TypeError, "got one of type ndarray"),
        (b"jpeg", TypeError, "a job takes photographs as paths, folders, patterns or URLs"),
        ([b"jpeg"], TypeError, "got one of type bytes"),
        (7, TypeError, "got int"),
        ([], ValueError, "there are no photographs"),
        ("no such folder", FileNotFoundError, "there is no such file or folder"),
        ("*.nothing", FileNotFoundError, "no file matches this pattern"),
        (None, ValueError, "either photographs or a manifest"),
    ],
)
def test_what_is_no_file_is_refused_and_nothing_is_written(given, output, images, error, message):
    with pytest.raises(error, match=message):
        prepare(**{**given, "images": images})
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 3}, "top does not apply to features"),
        ({"class_names": ["a"], "from_logits": True}, "class_names and from_logits do not apply to features"),
        ({"task": "predictions", "layers": "pool"}, "layers does not apply to predictions"),
        ({"task": "predictions", "pooling": "max"}, "pooling does not apply to predictions"),
        ({"task": "classes"}, "task must be one of features, predictions"),
        ({"shard": 0}, "shard"),
        ({"shard": 10**7}, "shard must be at most 1,000,000 photographs"),
    ],
)
def test_options_that_do_not_apply_are_refused(given, output, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(**given, **options)
    assert not output.exists()


def test_two_calls_at_once_agree_on_one_list(given, output, monkeypatch):
    """Both have listed the photographs when the first one writes the job."""
    both = threading.Barrier(2)
    write_list = preparation.write_list

    def write(*arguments):
        listed = write_list(*arguments)
        both.wait(30)
        return listed

    monkeypatch.setattr(preparation, "write_list", write)
    jobs = []
    threads = [threading.Thread(target=lambda: jobs.append(prepare(**given))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.record.identity for job in jobs}) == 1
    assert names(output) == [JOB, "model.keras", "photographs"]


def test_two_runs_at_one_output_end_with_the_same_files(given, output, tmp_path):
    jobs = [prepare(**given, shard=3) for _ in range(2)]

    def meanwhile(function, shards):
        """The other run does everything before each shard."""
        for shard in shards:
            if shard.index == 2:
                jobs[1].run(each=map)
            yield function(shard)

    report = jobs[0].run(meanwhile)
    assert (report.photographs, report.unreadable) == (9, 5)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    shutil.rmtree(output)
    prepare(**given, shard=3).run(each=map)
    after = {path.name: path.read_bytes() for path in output.iterdir()}
    parts = [name for name in before if name.startswith("part")]
    assert parts == [name for name in before if name in after and name.startswith("part")]
    assert all(before[name] == after[name] for name in parts)


def test_a_call_that_was_killed_before_it_kept_the_model_is_taken_up(given, output):
    prepare(**given)
    (output / "model.keras").unlink()
    assert prepare(**given).run(each=map).photographs == 9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kept", "../../model.keras"), ("kept", "model.pkl"), ("kept", 3), ("scaling", "huge"),
        ("interpolation", None), ("pooling", []), ("top", "5"), ("layers", [1]), ("class_names", [["a"]]),
        ("class_names", "ab"), ("from_logits", "yes"), ("model", None),
    ],
)  # fmt: skip
def test_settings_from_a_stranger_are_checked(given, output, name, value):
    prepare(**given)
    values = json.loads((output / JOB).read_text())
    values["settings"][name] = value
    (output / JOB).write_text(json.dumps(values))
    with pytest.raises(xception.JobError, match=r"its settings are damaged|holds another job"):
        prepare(**given)


def test_models_of_every_kind_are_kept(given, output, photos, small_classifier):
    classifier = xception.Classifier(small_classifier, interpolation="nearest")
    expected = xception.features(str(photos), classifier, on_error="skip")
    job = prepare(photos, output, classifier)
    job.run(each=map)
    np.testing.assert_array_equal(values(job), expected.values)
    assert names(output) == [JOB, "model.keras", "part", "part", "photographs"]


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_photographs_of_a_manifest(given, photos, tmp_path, suffix):
    lines = [f"{path},{path.parent.name}" for path in sorted(photos.rglob("*.jpg"), reverse=True)]
    manifest = tmp_path / f"list{suffix}"
    text = "\n".join(
        ["path,label", *lines] if suffix == ".csv" else [line.replace(",", "\t") for line in lines]
    )
    manifest.write_text(text)
    job = prepare(**{**given, "images": None}, manifest=manifest)
    assert job.run(each=map).photographs == 9
    rows = [row for b in batches(job) for row in zip(b.paths, b.labels, strict=True)]
    assert [",".join(row) for row in rows] == [line for line in lines if line.split(",")[0] in dict(rows)]
    with pytest.raises(xception.JobError, match=r"photographs: .*list.* there, .*photos here"):
        prepare(**given)


def test_photographs_and_folder_behind_urls(given, photos):
    fsspec = pytest.importorskip("fsspec")
    place = f"memory://{uuid.uuid4().hex}"
    store = fsspec.filesystem("memory")
    for path in photos.rglob("*.jpg"):
        if path.exists():
            store.pipe_file(f"{place}/photos/{path.relative_to(photos)}", path.read_bytes())
    given = {**given, "images": f"{place}/photos/", "output": f"{place}/out/"}
    job = prepare(**given, shard=4)
    report = job.run(each=map)
    assert (report.photographs, report.unreadable) == (9, 4)
    expected = xception.features(str(photos), given["model"], on_error="skip")
    np.testing.assert_array_equal(values(job), expected.values)
    assert prepare(**given).run(each=map).done_before == job.record.shard_count
    store.pipe_file(f"{place}/photos/b/html.jpg", (photos / "a" / "0.jpg").read_bytes())
    assert prepare(**given).run(each=map, retry_bad=True).unreadable == 3


def test_the_shipped_base_is_not_kept(output, examples):
    job = prepare(examples, output)
    assert names(output) == [JOB, "photographs"]
    assert job.record.settings["kept"] is None


def test_paths_are_found_when_the_job_is_run_elsewhere(given, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = prepare(**{**given, "images": "photos", "output": "out"})
    monkeypatch.chdir(os.sep)
    job.folder = str(tmp_path / "out")
    report = job.run(each=map)
    assert (report.photographs, report.unreadable) == (9, 5)


def values(job):
    return np.concatenate([batch.results for batch in batches(job)])


def batches(job):
    return [b for i in range(job.record.shard_count) for b in read_part(job.folder, job.record, i)]


def test_lists_of_calls_that_were_killed_are_removed(given, output):
    """They may have gigabytes."""
    unfinished = output / ".photographs-01234567.jsonl.89abcdef.part"
    unfinished.mkdir(0o700, parents=True)
    (unfinished / "lock").touch()
    (unfinished / "photographs-01234567.jsonl").write_text("half a list")
    (output / "photographs-89abcdef.jsonl").write_text("{}")
    job = prepare(**given)
    assert sorted(os.listdir(output)) == [JOB, "model.keras", job.record.photographs.name]
