"""The command `similar`."""

import csv
import io
import json
import os
import shutil

import pytest

pytestmark = pytest.mark.usefixtures("cache")


def test_similar(run, small_classifier, two_folders):
    shutil.copy(two_folders / "things" / "coffee.jpg", two_folders / "animals" / "copy.jpg")
    query = two_folders / "things" / "coffee.jpg"
    options = ("--model", small_classifier, "--top", 2, "--layers", "maps", "--pooling", "none")
    arguments = ("similar", query, two_folders, *options)
    status, out, err = run(*arguments)
    lines = out.splitlines()
    assert (status, lines[0], len(lines)) == (0, str(query), 3)
    assert "already" not in err
    cosine, path = lines[1].split()
    assert float(cosine) == pytest.approx(1, abs=1e-4)
    assert path.endswith("copy.jpg")
    status, out, err = run(*arguments, "--format", "json")
    (answer,) = json.loads(out)
    assert answer["path"] == str(query)
    assert answer["neighbors"][0]["path"].endswith("copy.jpg")
    assert answer["neighbors"][0]["index"] == 2
    assert answer["neighbors"][0]["cosine"] == pytest.approx(1, abs=1e-4)
    assert "features of 5 of 5 photographs were cached already" in err
    _, out, _ = run(*arguments, "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert list(rows[0]) == ["path", "rank", "neighbor", "cosine"]
    assert [(row["path"], row["rank"]) for row in rows] == [(str(query), "1"), (str(query), "2")]
    assert rows[0]["neighbor"] == path


def test_a_photograph_that_is_alone(run, small_classifier, examples):
    photo = examples / "coffee.jpg"
    status, out, err = run("similar", photo, photo, "--model", small_classifier, "--layers", "maps")
    assert (status, out) == (0, f"{photo}\n")
    assert "there are no other photographs to compare with" in err


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_csv_of_any_names(run, small_classifier, two_folders, monkeypatch):
    monkeypatch.chdir(two_folders / "things")
    os.rename("coffee.jpg", "=1+1.jpg")
    os.rename("rocket.jpg", "\x1b[2J,\n.jpg")
    options = ("--model", small_classifier, "--format", "csv")
    _, out, _ = run("similar", "=1+1.jpg", "\x1b[2J,\n.jpg", *options)
    assert list(csv.reader(io.StringIO(out)))[1][:3] == ["./=1+1.jpg", "1", "\\x1b[2J,\n.jpg"]
    _, out, _ = run("similar", "\x1b[2J,\n.jpg", "=1+1.jpg", *options)
    row = list(csv.reader(io.StringIO(out)))[1]
    assert row[:3] == ["\\x1b[2J,\n.jpg", "1", "./=1+1.jpg"]
    assert -1 <= float(row[3]) <= 1
    assert "\x1b" not in out


def test_a_broken_query_is_named_once(run, small_classifier, two_folders):
    query = two_folders / "broken.jpg"
    query.write_bytes(b"\xff\xd8\xff and no more")
    status, out, err = run("similar", query, two_folders, "--model", small_classifier)
    assert (status, out) == (1, "")
    assert err.count("broken.jpg") == 1
    assert "cached" not in err  # the others were not even looked at


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_a_name_cannot_move_the_cursor_or_fake_a_line(run, small_classifier, two_folders, tmp_path):
    os.rename(two_folders / "things" / "coffee.jpg", query := two_folders / "things" / "a\x1b[2J\nb.jpg")
    _, out, _ = run("similar", query, two_folders, "--model", small_classifier)
    assert out.splitlines()[0].endswith(r"a\x1b[2J\nb.jpg")
    options = ("--model", small_classifier, "--output", tmp_path / "pictures")
    assert run("explain", query, *options)[1].count("\n") == 1


def test_photographs_that_cannot_be_found(run, small_classifier, examples, tmp_path):
    status, _, err = run("similar", examples / "coffee.jpg", tmp_path, "--model", small_classifier)
    assert status == 1
    assert "no photographs in this folder" in err


@pytest.mark.parametrize("command", ["similar x", "similar x y --top 0", "similar x y --format xml"])
def test_wrong_use_is_status_2(run, command):
    status, out, err = run(*command.split())
    assert (status, out) == (2, "")
    assert err.startswith("usage: xception")
