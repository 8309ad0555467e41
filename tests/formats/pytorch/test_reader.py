"""Xception from PyTorch's files: right answers, every name and wrapper that occurs, refusals."""

import warnings

import numpy as np
import pytest
from pytorch_files import CLASSES, TIMM_ANSWERS, Called, Named, checkpoint, safetensors_bytes, state_dict

import xception
from xception.formats.pytorch.network import build_xception
from xception.formats.pytorch.reader import open_tensors


@pytest.fixture(scope="module")
def arrays():
    return state_dict()


@pytest.fixture(scope="module")
def saved(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("pytorch") / "x.safetensors"
    path.write_bytes(safetensors_bytes(arrays))
    return path


def load(path, size=150, **options):
    options.setdefault("interpolation", "bilinear")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xception.load_model(path, input_shape=(size, size, 3), **options)


def answer(model, examples, size=150):
    pixels = xception.load_image(examples / "chelsea.jpg", (size, size))
    return model.predict(xception.preprocess_input(pixels)[None], verbose=0)[0]


def assert_timms(model, examples, size=150, tolerance=1e-5):
    expected = np.array(TIMM_ANSWERS[size])
    assert np.abs(answer(model, examples, size) - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("size", TIMM_ANSWERS)
def test_the_answers_are_timms(saved, examples, size):
    assert_timms(load(saved, size), examples, size)


def test_any_size_may_be_left_open(saved, examples):
    assert_timms(xception.load_model(saved, input_shape=(None, None, 3), aspect="crop"), examples)


def test_keras_pooling_or_epsilon_would_give_other_answers(saved, examples):
    """The judgement above sees both differences."""
    model = load(saved, 224)
    keras = xception.Xception(
        weights=None, input_shape=(224, 224, 3), classes=CLASSES, classifier_activation=None
    )
    keras.set_weights(model.get_weights())
    expected = np.array(TIMM_ANSWERS[224])
    assert np.abs(answer(keras, examples, 224) - expected).max() > 0.01 * np.abs(expected).max()


def relabeled(arrays, prefix="", head="fc", matrices=False):
    return {
        prefix + name.replace("fc.", f"{head}."): array[..., 0, 0]
        if matrices and "pointwise" in name
        else array
        for name, array in arrays.items()
    }


@pytest.mark.parametrize(
    ("prefix", "head", "matrices", "wrapper"),
    [
        ("", "fc", False, None),
        ("module.", "fc", False, "state_dict"),
        ("model.", "last_linear.1", True, None),
        ("backbone.", "last_linear", False, None),
        ("module.model.", "last_linear", True, "model"),
        ("", "last_linear", False, "net"),
    ],
)
def test_every_name_and_wrapper(arrays, examples, tmp_path, prefix, head, matrices, wrapper):
    value = relabeled(arrays, prefix, head, matrices)
    checkpoint(tmp_path / "x.pth", {wrapper: value, "epoch": 3} if wrapper else value)
    assert_timms(load(tmp_path / "x.pth"), examples)


def test_half_precision(arrays, examples, tmp_path):
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    rounded = {name: array.astype(np.float32) for name, array in halves.items()}
    checkpoint(tmp_path / "half.pth", halves)
    checkpoint(tmp_path / "rounded.pth", rounded)
    assert_timms(load(tmp_path / "half.pth"), examples, tolerance=5e-3)
    expected = answer(load(tmp_path / "rounded.pth"), examples)
    np.testing.assert_array_equal(answer(load(tmp_path / "half.pth"), examples), expected)


def test_what_is_assumed_is_said_unless_the_caller_says_it(saved):
    with pytest.warns(
        UserWarning, match=r"x.safetensors: a checkpoint does not say how photographs were prepared"
    ):
        model = xception.load_model(saved)
    assert model.input_shape == (None, 299, 299, 3)
    assert model.preprocessing == xception.Preprocessing(scaling="tf", from_logits=True)
    assert load(saved, aspect="crop").preprocessing.aspect == "crop"  # and no warning


def test_class_names_are_given(saved, examples):
    model = load(saved, class_names=list("abcdefg"))
    (found,) = xception.predict(examples / "chelsea.jpg", model, top=1)
    assert found[0].class_name == "c"
    assert 0 < found[0].score < 1


def test_a_training_checkpoint_is_read_without_running_anything(arrays, examples, tmp_path):
    path = tmp_path / "training.pth"
    scalar = Called(
        Named("numpy._core.multiarray", "scalar"), (Called(Named("numpy", "dtype"), ("f8",)), "x")
    )
    arguments = Called(Named("argparse", "Namespace"), (), {"lr": 0.1})
    evil = Called(Named("os", "system"), (f"touch {tmp_path / 'executed'}",))
    optimizer = {"state": {0: {"step": 3, "exp_avg": np.ones((2, 2), np.float32)}}}
    value = {"state_dict": arrays, "loss": scalar, "args": arguments, "hook": evil, "optimizer": optimizer}
    checkpoint(path, value)
    with pytest.warns(UserWarning, match="training.pth: ") as caught:
        model = xception.load_model(path, input_shape=(150, 150, 3), aspect="stretch")
    messages = [str(warning.message) for warning in caught]
    assert messages == [
        "training.pth: not used: optimizer.state.0.exp_avg",
        "training.pth: passed over, and not called: argparse.Namespace, os.system",
    ]
    assert_timms(model, examples)
    assert not (tmp_path / "executed").exists()
    with pytest.raises(
        xception.ModelFileError, match=r"its pickle names argparse.Namespace, os.system; refused"
    ):
        xception.load_model(path, strict=True)


def test_adjust_channel_is_used_by_heads_of_its_width_alone(tmp_path, examples):
    used = state_dict(2, "last_linear", adjusted=512)
    assert used["last_linear.weight"].shape == (2, 512)
    checkpoint(tmp_path / "x.pth", {f"backbone.{name}": array for name, array in used.items()})
    model = xception.load_model(tmp_path / "x.pth", aspect="stretch")
    assert model.input_shape == (None, 256, 256, 3)  # DeepfakeBench's
    x = model.activations(
        np.zeros((1, 256, 256, 3)), ["block14_sepconv2_bn", "adjust_channel_act", "avg_pool"]
    )
    by_hand = (
        x["block14_sepconv2_bn"] @ used["adjust_channel.0.weight"][:, :, 0, 0].T
        + used["adjust_channel.0.bias"]
    )
    scale = used["adjust_channel.1.weight"] / np.sqrt(used["adjust_channel.1.running_var"] + 1e-5)
    by_hand = (by_hand - used["adjust_channel.1.running_mean"]) * scale + used["adjust_channel.1.bias"]
    np.testing.assert_allclose(x["adjust_channel_act"], np.maximum(by_hand, 0), atol=1e-4)
    wide = state_dict(2, "last_linear") | {name: used[name] for name in used if name.startswith("adjust")}
    checkpoint(tmp_path / "y.pth", wide)
    with pytest.warns(UserWarning, match=r"not used: adjust_channel.* and 1 more"):
        model = xception.load_model(tmp_path / "y.pth", aspect="stretch")
    assert "adjust_channel" not in model.graph.nodes


def test_without_a_head_it_gives_maps(arrays, tmp_path):
    checkpoint(
        tmp_path / "x.pth", {name: array for name, array in arrays.items() if not name.startswith("fc")}
    )
    assert load(tmp_path / "x.pth").output_shape == (None, 5, 5, 2048)


def test_saved_as_keras_it_answers_the_same(saved, examples, tmp_path):
    load(saved).save(tmp_path / "x.keras")
    model = xception.load_model(tmp_path / "x.keras")
    assert_timms(model, examples)
    assert model.preprocessing.from_logits is True


def test_swapped_statistics_would_be_seen(arrays, examples, tmp_path):
    swapped = {
        name.replace("running_mean", "X")
        .replace("running_var", "running_mean")
        .replace("X", "running_var"): array
        for name, array in arrays.items()
    }
    checkpoint(tmp_path / "x.pth", swapped)
    with np.errstate(invalid="ignore"):
        found = answer(load(tmp_path / "x.pth"), examples)
    assert not np.allclose(found, TIMM_ANSWERS[150], atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("bn1.running_var"), "bn1.running_var is missing"),
        (
            lambda a: a.update({"conv2.weight": a["conv2.weight"][:8]}),
            r"conv2.weight has the shape \(8, 32, 3, 3\)",
        ),
        (lambda a: a.pop("block12.rep.1.pointwise.weight"), "holds another network than Xception"),
        (lambda a: a.update({"conv1.weight": np.zeros((), np.float32)}), r"conv1.weight has the shape \(\)"),
        (lambda a: a.clear(), "holds another network than Xception.*found no tensors"),
    ],
)
def test_other_networks_are_never_loaded_in_part(arrays, tmp_path, change, message):
    changed = dict(arrays)
    change(changed)
    checkpoint(tmp_path / "x.pth", changed)
    with pytest.raises(xception.ModelFileError, match=message):
        load(tmp_path / "x.pth")
    assert not xception.inspect(tmp_path / "x.pth").runs


def test_weights_load_into_a_model_with_pytorchs_pooling_and_epsilon(saved, arrays, examples):
    model = xception.Model(build_xception((150, 150, 3), CLASSES), seed=1)
    model.load_weights(saved)
    assert_timms(model, examples)
    keras = xception.Xception(weights=None, classes=CLASSES)
    before = keras.get_weights()
    with pytest.raises(xception.ModelFileError, match=r"differs: .*Load the model with xception.load_model"):
        keras.load_weights(saved)
    assert all(map(np.array_equal, before, keras.get_weights()))


def test_the_command_line(saved, examples, tmp_path, capsys):
    from xception.cli.main import main

    arguments = [
        "predict",
        str(examples / "chelsea.jpg"),
        "--model",
        str(saved),
        "--size",
        "150",
        "--format",
        "csv",
    ]
    assert main([*arguments, "--aspect", "stretch"]) == 0
    output = capsys.readouterr()
    assert "class_2" in output.out.splitlines()[1]
    assert output.err == ""
    assert main(arguments) == 0
    assert "does not say how photographs were prepared" in capsys.readouterr().err
    assert main(["predict", str(examples / "chelsea.jpg"), "--size", "150"]) == 1
    assert "--size is for a PyTorch checkpoint or a zip" in capsys.readouterr().err


def test_a_keras_file_records_its_size(tmp_path):
    xception.Xception(weights=None, include_top=False).save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match=r"x.keras: says itself what input it takes"):
        xception.load_model(tmp_path / "x.keras", input_shape=(150, 150, 3))


def test_inspection(saved, tmp_path, arrays):
    inspection = xception.inspect(saved)
    assert (inspection.runs, inspection.format) == (True, "safetensors file")
    assert inspection.loads_as == "xception.load_model(FILE)"
    assert inspection.outputs == {"predictions": (None, CLASSES)}
    assert [backbone.differing for backbone in inspection.bases] == [0]
    assert "photographs were prepared" in str(inspection)


def test_weights_return_to_timms_names(saved, arrays, examples, tmp_path):
    model = load(saved)
    model.save_weights(tmp_path / "y.safetensors")
    with open_tensors(tmp_path / "y.safetensors") as file:
        returned = {name: tensor.read() for name, tensor in file.tensors.items()}
    counts = {name for name in returned if name.endswith("num_batches_tracked")}
    assert len(counts) == 40
    assert set(returned) - counts == set(arrays)
    assert all(np.array_equal(returned[name], array) for name, array in arrays.items())
    assert_timms(load(tmp_path / "y.safetensors"), examples)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: xception.Xception(weights=None, classes=3),
            "block1_conv1_bn has the epsilon 0.001, expected 1e-05",
        ),
        (lambda: xception.Model(build_xception((71, 71, 3), None)), None),
        (
            lambda: xception.Model(build_xception((71, 71, 3), 2, 512)),
            "predictions has arrays of other shapes",
        ),
    ],
)
def test_weights_that_pytorch_would_use_otherwise_are_not_written(tmp_path, build, message):
    if message is None:
        build().save_weights(tmp_path / "x.safetensors")  # without a head
        return
    with pytest.raises(ValueError, match=message):
        build().save_weights(tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())
