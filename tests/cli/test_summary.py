"""`xception summary`."""


def test_summary(run):
    status, out, _ = run("summary", "--style", "dl4j")
    assert status == 0
    assert "Total Parameters:  22,910,480" in out
    status, out, _ = run("summary", "--no-top")
    assert "Total params: 20,861,480" in out


def test_summary_of_a_model_of_ones_own(run, own):
    status, out, _ = run("summary", own)
    assert status == 0
    assert 'Model: "nested"' in out
    assert "block1_conv1" not in out
    status, out, _ = run("summary", own, "--expand-nested")
    assert "  block1_conv1 (Conv2D)" in out
    status, out, _ = run("summary", own, "--style", "dl4j")
    assert "base/block1_conv1 (ConvolutionLayer)" in out


def test_weights_without_a_model(run):
    assert run("summary", "--weights", "w.h5") == (
        1, "", "xception: --weights needs a model.json: xception summary model.json --weights FILE\n"
    )  # fmt: skip


def test_a_diagram_is_written_beside_the_table(run, own, tmp_path):
    status, out, _ = run("summary", own, "--diagram", tmp_path / "network.svg")
    assert status == 0
    assert 'Model: "nested"' in out
    assert (tmp_path / "network.svg").read_text("utf-8").startswith("<svg")
    status, out, error = run("summary", "--diagram", tmp_path / "network.png")
    assert (status, out) == (1, "")
    assert "a diagram is written as .svg" in error


def test_an_empty_name_is_no_name(run):
    status, out, err = run("summary", "")
    assert (status, out) == (1, "")
    assert err.startswith("xception: ")
