"""`xception cache`."""

import pytest


@pytest.fixture
def old_enough(monkeypatch):
    monkeypatch.setattr("xception.storage.identity.MIN_AGE_SECONDS", -1)


@pytest.mark.usefixtures("old_enough")
def test_features_are_computed_once_for_all_commands_until_the_cache_is_cleared(
    run, cache, two_folders, small_classifier, tmp_path
):
    def features(name):
        status, _, err = run(
            "features", two_folders, "--model", small_classifier, "--output", tmp_path / name
        )
        assert status == 0
        return err

    assert "already" not in features("a.npy")
    assert "4 photographs, 8 features each (4 had been computed before)" in features("b.npy")
    status, _, err = run("similar", two_folders, two_folders, "--model", small_classifier)
    assert (status, "features of 4 of 4 photographs were cached already" in err) == (0, True)
    status, out, _ = run("cache", "info")
    assert (status, f"folder       {cache}" in out) == (0, True)
    assert "(4 photographs, 1 model)" in out
    status, out, _ = run("cache", "clear")
    assert (status, out) == (0, f"{cache}: 640B freed\n")  # a row and the content of each file: 160 bytes
    assert "already" not in features("c.npy")
    contents = [(tmp_path / name).read_bytes() for name in ("a.npy", "b.npy", "c.npy")]
    assert contents[0] == contents[1] == contents[2]


def test_a_wrong_budget_is_reported(run, monkeypatch):
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "much")
    status, _, err = run("cache", "info")
    assert (status, "XCEPTION_MAX_CACHE must be a number of bytes" in err) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("empty",), ("info", "now")])
def test_wrong_use(run, arguments):
    assert run("cache", *arguments)[0] == 2
