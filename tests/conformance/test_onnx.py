"""Models exported to ONNX: ONNX Runtime answers as this library and Keras do."""

import json
from pathlib import Path

import keras_models
import numpy as np
import pytest
import small_models
import tuned_stripes
from keras_cases import assert_close, compute_outputs, make_case
from layer_cases import CASES, MAP

import xception
from xception import layers
from xception.data.preprocessing import Preprocessing
from xception.training import Trainer

pytestmark = pytest.mark.conformance
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

MAX_ERROR = 1e-4  #: of maps, relative to the largest
#: Layers of `CASES` that ONNX has no operators for, and why.
REFUSED = {
    "mish": "the activation 'mish' of a recurrent layer",
    "softmax": "the activation 'softmax' of a recurrent layer",
    "mask": "a mask",
    "aspect": "aspect_ratio",
    "crop": "an input of shape",
}


def run(path, inputs):
    """Run a model of ONNX; return its outputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def inputs_of(model, count, size=(20, 24)):
    rng = np.random.default_rng(0)
    shapes = (model.graph.nodes[name].output_shape for name in model.graph.inputs)
    sizes = ([size[min(axis, 1)] if n is None else n for axis, n in enumerate(shape)] for shape in shapes)
    return [rng.uniform(-1, 1, (count, *shape)).astype(np.float32) for shape in sizes]


def check(model, path, counts=(1, 2, 7), size=(20, 24), max_error=MAX_ERROR, **options):
    """Export a model, and compare the answers to batches of several sizes."""
    model.export(path, **options)
    turn = options.get("layout") == "nchw"
    for count in counts:
        inputs = inputs_of(model, count, size)
        expected = model.graph.evaluate(
            model.parameters, dict(zip(model.graph.inputs, inputs, strict=True)), model.graph.outputs
        )
        given = [np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if turn and x.ndim == 4 else x for x in inputs]
        for y, name in zip(run(path, given), model.graph.outputs, strict=True):
            y = y.transpose(0, 2, 3, 1) if turn and y.ndim == 4 else y
            assert y.shape == expected[name].shape
            largest = max(np.nanmax(np.abs(expected[name])), 1e-9)
            np.testing.assert_allclose(y, expected[name], rtol=0, atol=max_error * largest)


def randomized(graph):
    model = xception.Model(graph, seed=0)
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 0.2, array.shape) for array in model.get_weights()]
    model.set_weights([
        np.abs(array + change) + 0.1 if array.ndim <= 1 else array + change
        for array, change in zip(model.get_weights(), noise, strict=True)
    ])  # fmt: skip
    return model


def refusal(layer):
    """Why a layer cannot be expressed; None if it can."""
    if isinstance(layer, layers.Resizing) and (layer.pad_to_aspect_ratio or layer.crop_to_aspect_ratio):
        return REFUSED["aspect"]
    if isinstance(layer, layers.CenterCrop) and layer.height > MAP[0]:
        return REFUSED["crop"]
    cell = getattr(layer, "cell", None)
    return None if cell is None else REFUSED.get(str(getattr(cell, "activation", "")))


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize(
    ("layer", "shapes"), [case for case in CASES if not isinstance(case[0], layers.Input)],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_every_layer(layer, shapes, channels_first, tmp_path):
    shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
    if channels_first and any(len(shape) != 3 for shape in shapes):
        pytest.skip("takes no maps")
    graph = xception.Graph("one")
    names = [graph.add(layers.Input(shape), name=f"in{number}") for number, shape in enumerate(shapes)]
    if channels_first:  # as convolutions leave them
        names = [
            graph.add(layers.Conv2D(shape[-1], 1), name) for shape, name in zip(shapes, names, strict=True)
        ]
    graph.add(layer, *names, name="y")
    model = randomized(graph)
    if channels_first:  # exact copies: what rounds near a pole or a jump would differ by machine
        widths = {name: graph.nodes[name].output_shape[-1] for name in names}
        copies = {
            name: {"kernel": np.eye(width)[None, None], "bias": np.zeros(width)}
            for name, width in widths.items()
        }
        model = xception.Model(graph, {**model.parameters, **copies})
    reason = REFUSED["mask"] if layer.takes_mask and len(shapes) > 1 else refusal(layer)
    if reason is not None:
        with pytest.raises(ValueError, match=f"ONNX cannot express y: .*{reason}"):
            model.export(tmp_path / "x.onnx")
        assert not (tmp_path / "x.onnx").exists()
        return
    check(model, tmp_path / "x.onnx", counts=(1, 3))


@pytest.mark.parametrize("size", [71, 150, 299])
@pytest.mark.parametrize("options", [{}, {"layout": "nchw"}, {"fold": False}], ids=str)
def test_xception(folder, size, options):
    model = randomized(xception.Xception(weights=None, classes=5, input_shape=(size, size, 3)).graph)
    check(model, folder / "x.onnx", counts=(2,), max_error=1e-5, **options)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_the_base_takes_any_size(folder, layout):
    base = xception.Xception(include_top=False)
    for size in ((71, 71), (96, 128)):
        check(base, folder / "x.onnx", counts=(1, 2), size=size, layout=layout)


def test_a_feature_extractor(folder):
    base = xception.Xception(include_top=False, input_shape=(96, 96, 3))
    base.export(folder / "x.onnx", layers=["block4_pool", "block13_pool"])
    (x,) = inputs_of(base, 2)
    expected = base.activations(x, ["block4_pool", "block13_pool"])
    for y, maps in zip(run(folder / "x.onnx", [x]), expected.values(), strict=True):
        np.testing.assert_allclose(y, maps, atol=MAX_ERROR * np.abs(maps).max())


@pytest.mark.parametrize("name", keras_models.BUILDERS)
def test_models_of_keras(keras, folder, name):
    builder = keras_models.BUILDERS[name]
    library = keras if "keras" in builder.libraries else pytest.importorskip("tf_keras")
    case = make_case(name, library, folder)
    model = xception.load_model(folder / "theirs.keras")
    model.export(folder / "x.onnx")
    x = case.x if isinstance(case.x, list) else [case.x]
    outputs = run(folder / "x.onnx", [np.asarray(part, np.float32) for part in x])
    assert_close(outputs, compute_outputs(model, case.x))


@pytest.mark.parametrize("name", small_models.EVERY)
def test_small_models(folder, name):
    model = small_models.model(small_models.EVERY[name]())
    model.export(folder / "x.onnx")
    x = small_models.entering(model)
    outputs = run(folder / "x.onnx", x if isinstance(x, list) else [x])
    assert_close(outputs, compute_outputs(model, x))


def test_the_file_says_what_a_reader_must_know(folder):
    model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3))
    model = xception.Model(
        model.graph, model.parameters, class_names=["Füchse", "cat"],
        preprocessing=Preprocessing(interpolation="bicubic"),
    )  # fmt: skip
    notes = model.export(folder / "x.onnx", layout="nchw")
    assert notes == ("takes images as NCHW, channels RGB, pixels −1…1", "its outputs are probabilities")
    written = onnx.load(folder / "x.onnx")
    assert (written.ir_version, written.opset_import[0].version) == (8, 17)
    record = {entry.key: entry.value for entry in written.metadata_props}
    assert json.loads(record["xception.class_names"]) == ["Füchse", "cat"]
    assert json.loads(record["xception.preprocessing"]) == {"scaling": "tf", "interpolation": "bicubic"}
    assert (record["xception.layout"], record["xception.scores"]) == ("nchw", "probabilities")
    (value,), (output,) = written.graph.input, written.graph.output
    sizes = [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, 71, 71]
    assert output.name == "predictions"
    constants = {tensor.name for tensor in written.graph.initializer}
    made = {name for node in written.graph.node for name in node.output}
    assert not constants & made
    assert {node.name for node in written.graph.node} >= {"block1_conv1_bn", "block14_sepconv2_act"}


def test_the_same_model_gives_the_same_file(folder):
    model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
    for name in ("a", "b"):
        model.export(folder / f"{name}.onnx")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()


def test_layers_that_act_in_training_alone_are_left_out_and_named(folder):
    graph = xception.Graph("augmented")
    graph.add(layers.Input((8, 8, 3)), name="in")
    graph.add(layers.TrainingOnly("RandomFlip"), "in", name="flip")
    graph.add(layers.Conv2D(2, 3), "flip", name="conv")
    notes = xception.Model(graph, seed=0).export(folder / "x.onnx")
    assert notes[-1] == "left out, since they act in training alone: flip (RandomFlip)"


def test_an_output_that_is_another_tensor_keeps_its_name(folder):
    graph = xception.Graph("identities")
    graph.add(layers.Input((8, 8, 3)), name="in")
    graph.add(layers.Conv2D(2, 3), "in", name="conv")
    graph.add(layers.Dropout(0.5), "conv", name="dropped")
    graph.add(layers.Identity(), "in", name="same")
    graph.set_inputs_and_outputs(["in"], ["conv", "dropped", "same"])
    model = xception.Model(graph, seed=0)
    check(model, folder / "x.onnx")
    assert [value.name for value in onnx.load(folder / "x.onnx").graph.output] == ["conv", "dropped", "same"]


@pytest.mark.parametrize("window", [2, 3, (3, 2)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(9, 8), (None, None)])
def test_pooling_as_pytorch_pads_it_is_one_operator(folder, window, padding, size):
    graph = xception.Graph("pair")
    x = graph.add(layers.Input((*size, 3)), name="in")
    x = graph.add(layers.MaxPooling2D(window, 1, padding), x, name="pooling")
    x = graph.add(layers.MaxPooling2D(1, 2, "same"), x, name="selection")
    graph.add(layers.Conv2D(2, 1), x, name="conv")
    model = xception.Model(graph, seed=0)
    for height, width in ((9, 8),) if size[0] else ((9, 8), (6, 7), (5, 4)):
        check(model, folder / "x.onnx", size=(height, width), max_error=1e-6)
    operators = [node.op_type for node in onnx.load(folder / "x.onnx").graph.node]
    assert operators.count("MaxPool") == 1


#: Every kind of padding: of even and uneven windows, of windows wider and narrower than their steps, dilated.
SAME = [
    layer
    for window, strides in ((1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), ((3, 2), (2, 1)), (5, 3))
    for layer in (
        layers.Conv2D(3, window, strides=strides, padding="same"),
        layers.MaxPooling2D(window, strides, "same"),
        layers.AveragePooling2D(window, strides, "same"),
    )
] + [
    layers.Conv2D(3, 3, strides=4, padding="same"),
    layers.DepthwiseConv2D(3, padding="same", dilation_rate=2),
    layers.SeparableConv2D(3, (2, 3), padding="same", dilation_rate=(3, 2)),
]  # fmt: skip


def of_open_size(layer):
    graph = xception.Graph("one")
    graph.add(layer, graph.add(layers.Input((None, None, 4)), name="in"), name="y")
    return randomized(graph)


@pytest.mark.parametrize("layer", SAME, ids=lambda layer: str(layer)[:70])
def test_padding_of_maps_of_unknown_size(folder, layer):
    model = of_open_size(layer)
    for size in ((7, 8), (9, 6), (12, 11)):
        check(model, folder / "x.onnx", counts=(1,), size=size, max_error=1e-5)


@pytest.mark.parametrize("layer", [layers.MaxPooling2D(3, 4, "same"), layers.AveragePooling2D(3, 4, "same")])
def test_padding_that_the_runtime_cannot_follow_is_refused(folder, layer):
    with pytest.raises(ValueError, match=f"cannot express y: {layer.kind} .*maps of unknown size"):
        of_open_size(layer).export(folder / "x.onnx")


@pytest.mark.parametrize("outputs", [["pooling", "selection"], ["selection", "again"]])
def test_a_pooling_that_is_read_twice_stays(folder, outputs):
    graph = xception.Graph("pair")
    x = graph.add(layers.Input((9, 8, 3)), name="in")
    x = graph.add(layers.MaxPooling2D(3, 1, "same"), x, name="pooling")
    graph.add(layers.MaxPooling2D(1, 2, "same"), x, name="selection")
    graph.add(layers.MaxPooling2D(1, 3, "same"), x, name="again")
    graph.set_inputs_and_outputs(["in"], outputs)
    check(xception.Model(graph, seed=0), folder / "x.onnx", max_error=1e-6)


def test_three_poolings_in_a_row(folder):
    graph = xception.Graph("row")
    x = graph.add(layers.Input((9, 8, 3)), name="in")
    for window, strides in ((3, 1), (1, 1), (1, 2)):
        x = graph.add(layers.MaxPooling2D(window, strides, "same"), x)
    check(xception.Model(graph, seed=0), folder / "x.onnx", max_error=1e-6)


@pytest.mark.parametrize("options", [{}, {"layout": "nchw"}, {"fold": False}], ids=str)
@pytest.mark.parametrize("kind", ["fit", "fine_tune"])
def test_trained_models(folder, kind, options):
    if kind == "fine_tune":
        model = tuned_stripes.tune(dropout=0.2, epochs=1).model
    else:
        graph = tuned_stripes.small_base().graph.with_layer(layers.Dense(2, "softmax"), name="classes")
        model = xception.Model(graph, seed=0)
        trainer = Trainer(model, optimizer="adam", loss="sparse_categorical_crossentropy", metrics=[])
        pixels = tuned_stripes.PIXELS.astype(np.float32) / 127.5 - 1
        targets = np.array([name == "upright" for name in tuned_stripes.NAMES], np.int64)
        trainer.fit(pixels, targets, epochs=1, batch_size=8, verbose=0)
    check(model, folder / "x.onnx", max_error=1e-5, **options)


def test_shipped_files_are_small(folder):
    base = xception.Xception(include_top=False, input_shape=(299, 299, 3))
    base.export(folder / "x.onnx")
    assert Path(folder / "x.onnx").stat().st_size < 4.01 * base.count_params()
