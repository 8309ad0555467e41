"""`xception inspect`."""

import json
import zipfile


def test_inspect(run, own):
    status, out, err = run("inspect", own)
    assert (status, err) == (0, "")
    assert "runs here   yes: xception.load_model(FILE)" in out
    assert "base (Functional)" in out
    status, out, _ = run("inspect", own, "--format", "json")
    found = json.loads(out)
    assert (status, found["runs"], found["outputs"]) == (0, True, {"classes": [None, 5]})


def test_inspect_what_is_no_model(run, tmp_path):
    (tmp_path / "page.h5").write_text("<!DOCTYPE html><p>Quota exceeded")
    status, out, err = run("inspect", tmp_path / "page.h5")
    assert (status, err) == (1, "xception: page.h5: is no model file that is read here\n")
    assert "a web page" in out
    status, out, err = run("inspect", tmp_path / "no.h5")
    assert (status, out) == (1, "")
    assert "there is no such file" in err
    assert run("inspect", tmp_path)[0] == 1


def test_inspect_what_is_damaged(run, own, tmp_path):
    (tmp_path / "half.keras").write_bytes(own.read_bytes()[:5000])
    status, out, err = run("inspect", tmp_path / "half.keras")
    assert status == 1
    assert "damage     a damaged archive" in out
    assert err == "xception: half.keras: is damaged\n"


def test_words_of_a_file_do_not_reach_the_terminal_as_they_are(run, own, examples, tmp_path):
    path = tmp_path / "rude.keras"
    with zipfile.ZipFile(own) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps({"keras_version": "\x1b[2J3", "date_saved": "today\a"}).encode()
            target.writestr(name, content)
    status, out, _ = run("inspect", path)
    assert status == 0
    assert "Keras \\x1b[2J3, today\\x07" in out
    (tmp_path / "class_names.json").write_text(json.dumps(["\x1b[2J", "b", "c", "d", "e"]))
    arguments = (
        "predict",
        examples / "coffee.jpg",
        "--model",
        own,
        "--class-names",
        tmp_path / "class_names.json",
    )
    status, out, _ = run(*arguments)
    assert status == 0
    assert "\x1b" not in out
