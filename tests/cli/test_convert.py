"""`xception convert`."""

import numpy as np
import pytest
from dl4j_files import Zip, conv, dense, global_pool

import xception
from xception.cli.main import main


def test_a_zip_becomes_a_model_of_keras(tmp_path, capsys):
    path = Zip([conv(3, 4), global_pool("AVG"), dense(4, 2, name="Softmax")]).write(tmp_path / "x.zip")
    assert main(["convert", str(path), str(tmp_path / "y.keras"), "--size", "30"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("x.zip -> y.keras\n")
    assert "channels are RGB" in text
    assert xception.load_model(tmp_path / "y.keras").input_shape == (None, 30, 30, 3)


def test_a_layer_that_differs_is_status_1(tmp_path, capsys):
    path = Zip([conv(3, 4), global_pool("AVG")]).write(tmp_path / "x.zip")
    np.savez(tmp_path / "r.npz", input=np.ones((1, 9, 9, 3)), v1=np.ones((1, 4)))
    status = main(["convert", str(path), str(tmp_path / "y.zip"), "--reference", str(tmp_path / "r.npz")])
    assert status == 1
    output = capsys.readouterr()
    assert "v1 is the first of 1 layer that differs from r.npz" in output.out
    assert output.err == "xception: y.zip: v1 differs; the file was written\n"


def test_what_cannot_be_converted_is_one_line(tmp_path, capsys):
    path = Zip([conv(3, 4, name="Cube")]).write(tmp_path / "x.zip")
    assert main(["convert", str(path), str(tmp_path / "y.keras")]) == 1
    assert capsys.readouterr().err == (
        "xception: Keras has no layers for v0 (Cube), so it cannot load such a model\n"
    )
    assert main(["convert", str(tmp_path / "nothing.zip"), str(tmp_path / "y.keras")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("option", ["--check", "--reference"])
def test_what_is_compared_is_looked_for_before_anything_is_written(tmp_path, capsys, option):
    path = Zip([conv(3, 4), global_pool("AVG")]).write(tmp_path / "x.zip")
    missing, target = tmp_path / "missing", tmp_path / "y.zip"
    assert main(["convert", str(path), str(target), option, str(missing)]) == 1
    assert capsys.readouterr().err == f"xception: {missing}: there is no such file\n"
    assert not target.exists()


@pytest.mark.parametrize("option", [("--layout", "nchw"), ("--no-fold",)])
def test_options_of_onnx_are_refused_for_other_files(tmp_path, capsys, option):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", "x.keras", "y.h5", *option])
    assert f"argument {option[0]}: applies to .onnx alone" in capsys.readouterr().err


def test_class_names_of_a_zip_do_not_replace_another_file(tmp_path, capsys, small_classifier):
    names, target = tmp_path / "y.classes.txt", str(tmp_path / "y.zip")
    names.write_text("my notes")
    assert main(["convert", str(small_classifier), target]) == 1
    assert f"{names}: exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["y.classes.txt"]
    names.unlink()
    for _ in range(2):  # the second replaces what the first has written
        assert main(["convert", str(small_classifier), target]) == 0
    assert names.read_text().split() == ["cat", "cup", "rocket"]
