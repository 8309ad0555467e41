"""`xception weights`."""

from xception.models import pretrained


def test_weights(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    name = pretrained.CLASSIFIER.name
    status, out, _ = run("weights", "path")
    assert status == 0
    assert str(pretrained.shipped_base()) in out
    assert f"{tmp_path / name} (not there yet)" in out
    status, out, _ = run("weights", "verify")
    assert status == 1
    assert "base        ok" in out
    assert "not on this machine" in out
    (tmp_path / name).write_bytes(b"half of it")
    status, out, _ = run("weights", "verify")
    assert status == 1
    assert "DAMAGED" in out
    status, _, err = run("weights", "download")
    assert status == 1
    assert pretrained.CLASSIFIER.sha256 in err
    monkeypatch.setattr(pretrained, "CLASSIFIER", pretrained.BASE)  # a file that is here
    status, out, _ = run("weights", "verify", "--cache-dir", pretrained.shipped_base().parent)
    assert status == 0
    assert out.count(" ok ") == 2
