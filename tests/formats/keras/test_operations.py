"""Operations in configs: arguments by position and by name, several outputs, and what is refused."""

import json
import zipfile

import numpy as np
import pytest
import small_models
from hostile import archive, entry, functional, hdf5_bytes, layer, tensor

import xception
from xception.errors import ModelFileError
from xception.formats.keras.config_reader import read_network
from xception.formats.keras.operations.reading import read_operation
from xception.layers import (
    Activation,
    Arithmetic,
    Cast,
    Concatenate,
    Cumsum,
    Dense,
    Einsum,
    GetItem,
    Identity,
    Input,
    Matmul,
    Normalize,
    Permute,
    Reduction,
    Reshape,
    Roll,
    Softmax,
    Split,
    Squeeze,
    Stack,
    Take,
    Where,
    ZeroPadding2D,
)

X = tensor("pixels")
SLICE = {"start": None, "stop": None, "step": None}
SLICES = [
    {"class_name": "__ellipsis__", "config": {}},
    {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": -1}},
]


def operation(class_name, *args, module="numpy", named=None, **config):
    return {
        "module": f"keras.src.ops.{module}", "class_name": class_name, "name": "op",
        "config": {"name": "op", **config}, "registered_name": class_name,
        "inbound_nodes": [{"args": list(args), "kwargs": named or {}}],
    }  # fmt: skip


def function(path, *tensors, **named):
    """Return a function of TensorFlow, as Keras 2 writes it."""
    node = [[source, 0, 0, named] for source in tensors]
    return {
        "class_name": "SlicingOpLambda" if path.endswith("getitem") else "TFOpLambda", "name": "op",
        "config": {"name": "op", "trainable": True, "dtype": "float32", "function": path},
        "inbound_nodes": [node[0]] if len(node) == 1 else [node],
    }  # fmt: skip


def node(op, *tensors, constants=None, attributes="{}"):
    """Return a node of TensorFlow, as the first Keras in TensorFlow 2 writes it."""
    text = f'{{"name": "op", "op": "{op}", "attr": {attributes}}}'
    return {
        "class_name": "TensorFlowOpLayer", "name": "op",
        "config": {"name": "op", "node_def": text, "constants": constants or {}},
        "inbound_nodes": [[[source, 0, 0, {}] for source in tensors]],
    }  # fmt: skip


FULL = (None, None, None)
READ = [
    (operation("Mean", X, axis=-1, keepdims=True), [Reduction("mean", -1, True)]),
    (operation("Max", X, axis=[1, 2], keepdims=False, initial=None), [Reduction("max", (1, 2))]),
    (operation("Max", X, axis=1, initial=2.0), [Reduction("max", 1), Arithmetic("maximum", 2.0)]),
    (operation("Concatenate", [X, X], axis=-1), [Concatenate()]),
    (operation("Stack", [X, X], axis=1), [Stack(1)]),
    (operation("GetItem", X, SLICES), [GetItem(("...", (None, None, -1)))]),
    (operation("Reshape", X, newshape=[-1, 48, 3]), [Reshape((48, 3))]),
    (operation("Reshape", X, newshape=[None, 4, -1]), [Reshape((4, -1))]),
    (operation("Transpose", X, axes=[0, 3, 1, 2]), [Permute((3, 1, 2))]),
    (operation("Clip", X, x_min=0, x_max=6), [Arithmetic("maximum", 0.0), Arithmetic("minimum", 6.0)]),
    (operation("Where", X, X, 0.0), [Where(y=0.0)]),
    (operation("Normalize", X, module="nn", axis=-1, order=2, epsilon=None), [Normalize()]),
    (operation("Softmax", X, module="nn", axis=1), [Softmax(1)]),
    (operation("Gelu", X, module="nn", approximate=True), [Activation("gelu_tanh")]),
    (operation("Gelu", X, module="nn"), [Activation("gelu_tanh")]),
    (operation("Gelu", X, module="nn", approximate=False), [Activation("gelu")]),
    (function("nn.gelu", "pixels"), [Activation("gelu")]),
    (function("nn.gelu", "pixels", approximate=True), [Activation("gelu_tanh")]),
    (operation("Roll", X, shift=1, axis=2), [Roll(1, 2)]),
    (function("roll", "pixels", shift=[-1, 2], axis=[1, 2]), [Roll((-1, 2), (1, 2))]),
    (operation("Cumsum", X, axis=-1, dtype=None), [Cumsum(-1)]),
    (function("math.cumsum", "pixels", axis=1, reverse=False), [Cumsum(1)]),
    (operation("Cast", X, module="core", dtype="float16"), [Cast()]),
    (operation("Cast", X, module="core", dtype="uint8"), [Cast("uint8")]),
    (operation("Einsum", X, X, subscripts="bhwc,bhwd->bcd"), [Einsum("bhwc,bhwd->bcd")]),
    (operation("Einsum", X, X, subscripts="...ij,...kj->...ik"), [Matmul(transpose_b=True)]),
    (operation("Subtract", 1, X), [Arithmetic("subtract", 1.0, True)]),
    (operation("Multiply", named={"x2": X, "x1": 2.0}), [Arithmetic("multiply", 2.0, True)]),
    (function("math.reduce_mean", "pixels", axis=[1, 2], keepdims=True), [Reduction("mean", (1, 2), True)]),
    (function("math.reduce_max", "pixels", axis=-1), [Reduction("max", -1)]),
    (function("concat", "pixels", "pixels", axis=3), [Concatenate(3)]),
    (function("split", "pixels", num_or_size_splits=[1, -1], axis=-1), [Split((1,), -1)]),
    (function("split", "pixels", num_or_size_splits=3, axis=-1), [Split(3, -1)]),
    (function("compat.v1.squeeze", "pixels", axis=[1], name=None), [Squeeze((1,))]),
    (function("compat.v1.gather", "pixels", indices=[2, 1, 0], axis=-1, batch_dims=0), [Take((2, 1, 0))]),
    (function("math.l2_normalize", "pixels", axis=1), [Normalize(1, 2, 1e-6)]),
    (function("math.squared_difference", "pixels", y=["pixels", 0, 0]),
     [Arithmetic("subtract"), Arithmetic("square")]),
    (function("linalg.matmul", "pixels", b=["pixels", 0, 0], transpose_b=True),
     [Matmul(transpose_b=True)]),
    (function("pad", "pixels", paddings=[[0, 0], [1, 2], [3, 4], [0, 0]]), [ZeroPadding2D(((1, 2), (3, 4)))]),
    (function("__operators__.getitem", "pixels", slice_spec=[SLICE, -1]),
     [GetItem((FULL, -1))]),
    (function("image.flip_left_right", "pixels"), [GetItem((FULL, FULL, (None, None, -1)))]),
    (function("identity", "pixels"), [Identity()]),
    (node("Mean", "pixels", constants={"1": [1, 2]}, attributes='{"keep_dims": {"b": true}}'),
     [Reduction("mean", (1, 2), True)]),
    (node("ConcatV2", "pixels", "pixels", constants={"2": -1}), [Concatenate()]),
    (node("RealDiv", "pixels", constants={"1": 127.5}), [Arithmetic("divide", 127.5)]),
]  # fmt: skip


@pytest.mark.parametrize(("described", "layers"), READ, ids=lambda value: str(value)[:60])
def test_an_operation_is_read_as_layers(described, layers):
    keras = 3 if "module" in described else 2
    ((steps, tensors),) = read_operation(described, keras)
    assert steps == layers
    assert {tensor[0] for tensor in tensors} == {"pixels"}


REFUSED = [
    (operation("Canary", X), "'Canary' is not supported; supported: .*mean"),
    (operation("Mean", X, axis=None), "goes over all axes, also that of the batch"),
    (operation("Mean", X, axis=-1, canary=3), "unsupported setting: canary = 3"),
    (operation("Mean", X, X, X, axis=-1), "more arguments than expected"),
    (operation("Mean", 3.0, axis=-1), "reads no tensor"),
    (operation("Concatenate", [X, [1.0]], axis=-1), "joins a constant"),
    (operation("Transpose", X, axes=[1, 0, 2, 3]), "moves the batch axis"),
    (operation("Transpose", X, axes=None), "moves the batch axis"),
    (operation("Reshape", X, newshape=[2, -1]), "does not keep the batch axis"),
    (operation("Reshape", X, newshape=[-1]), "no axis beside that of the batch"),
    (operation("Einsum", X, X, subscripts="abc,bcd->ad"), "begin with the batch axis"),
    (operation("Einsum", X, subscripts="bii->bi"), "twice for one array"),
    (operation("Einsum", X, X, X, subscripts="ba,ba,ba->b"), "one or two operands"),
    (operation("Roll", X, shift=1, axis=None), "goes over all axes"),
    (operation("Roll", X, shift=[1, 2], axis=[1]), "a number for each axis"),
    (function("math.cumsum", "pixels", axis=1, reverse=True), "unsupported setting: reverse"),
    (operation("Cast", X, module="core", dtype="string"), "dtype must be"),
    (operation("Resize", X, module="image", size=[4, 4], data_format="channels_first"), "data_format"),
    (function("einsum"), "operands of its einsum are not in the file"),
    (function("image.resize", "pixels", size=[4, 4], method="gaussian"), "interpolation must be"),
    (function("image.resize", "pixels", size=[4, 4], preserve_aspect_ratio=True), "preserve_aspect_ratio"),
    (function("compat.v1.image.resize_bilinear", "pixels", size=[5, 6]), "is not supported"),
    (function("math.add", "pixels", y=["a", "b"]), "should be numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("described", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_operation_is_refused_with_its_reason(described, message):
    if not described["inbound_nodes"][0]:
        described["inbound_nodes"] = [["_CONSTANT_VALUE", -1, "bhwc->bc", {}]]
    with pytest.raises(ValueError, match=message):
        read_operation(described, 3 if "module" in described else 2)


def load(tmp_path, *rows, output=None):
    described = functional(entry("pixels", (None, 4, 4, 3)), *rows)
    if output is not None:
        described["config"]["output_layers"] = output
    weights = hdf5_bytes(lambda file: file.create_group("layers"))
    return xception.load_model(archive(tmp_path / "x.keras", described, weights))


X4 = np.arange(2 * 48, dtype=np.float32).reshape(2, 4, 4, 3)


def output_of(name, number):
    reference = tensor(name)
    reference["config"]["keras_history"][2] = number
    return reference


def test_an_operation_with_several_outputs_computes_those_in_use(tmp_path):
    split = operation("Split", X, indices_or_sections=3, axis=-1) | {"name": "split"}
    names = ["pixels", "split", "split_output_2", "total"]
    total = operation("Subtract", output_of("split", 2), output_of("split", 1)) | {"name": "total"}
    model = load(tmp_path, split, total)
    assert sorted(model.graph.nodes) == names
    np.testing.assert_array_equal(model.predict(X4), np.ones((2, 4, 4, 1)))
    for _ in range(2):  # names stay as they are
        model.save(tmp_path / "y.keras")
        model = xception.load_model(tmp_path / "y.keras")
        assert sorted(model.graph.nodes) == names
        np.testing.assert_array_equal(model.predict(X4), np.ones((2, 4, 4, 1)))


def test_the_approximation_of_gelu_is_saved_as_an_operation(tmp_path):
    model = load(tmp_path, operation("Gelu", X, module="nn") | {"name": "gelu"})
    y = model.predict(X4 / 48)
    model.save(tmp_path / "y.keras")
    with zipfile.ZipFile(tmp_path / "y.keras") as saved:
        described = json.loads(saved.read("config.json"))["config"]["layers"][1]
    assert (described["module"], described["class_name"]) == ("keras.src.ops.nn", "Gelu")
    assert described["config"] == {"name": "gelu", "approximate": True}
    np.testing.assert_array_equal(xception.load_model(tmp_path / "y.keras").predict(X4 / 48), y)
    x = X4.astype(float) / 48
    expected = x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_what_keras_3_has_as_an_operation_only_is_not_saved_as_a_setting_or_in_a_sequence(tmp_path):
    network = small_models.wired("model", ["x"], ["y"], x=(Input((4,)),), y=(Dense(3, "gelu_tanh"), ["x"]))
    with pytest.raises(ValueError, match="'gelu_tanh' cannot be saved: in Keras 3 it is an operation"):
        small_models.model(network).save(tmp_path / "x.keras")
    config = {"name": "gelu", "activation": "gelu_tanh"}
    rows = [entry("pixels", (None, 4, 4, 3)), {"class_name": "Activation", "name": "gelu", "config": config}]
    described = {"class_name": "Sequential", "config": {"name": "model", "layers": rows}}
    weights = hdf5_bytes(lambda file: file.create_group("layers"))
    model = xception.load_model(archive(tmp_path / "x.keras", described, weights))
    with pytest.raises(ValueError, match=r"gelu: .*cannot be saved in a Sequential model"):
        model.save(tmp_path / "y.keras")


@pytest.mark.parametrize("number", [3, 10**6])
def test_an_output_that_does_not_exist_is_refused(tmp_path, number):
    split = operation("Split", X, indices_or_sections=3, axis=-1) | {"name": "split"}
    negative = operation("Negative", output_of("split", number)) | {"name": "negative"}
    with pytest.raises(ModelFileError, match=r"split .*has 3 output"):
        load(tmp_path, split, negative)
    mean = operation("Mean", X, axis=-1) | {"name": "mean"}
    negative = operation("Negative", output_of("mean", number)) | {"name": "negative"}
    with pytest.raises(ModelFileError, match=r"mean .*has 1 output"):
        load(tmp_path, mean, negative)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ([0], "part of the batch"), ([None], "part of the batch"),
        ([SLICE | {"start": 1}], "batch"),
        ([SLICES[0], 7], "no index 7"), ([SLICES[0], SLICES[0]], "one '...'"),
        ([SLICES[0], [1, 2]], "slice"),
        ([SLICES[0], *[1] * 5], "too many"),
        ([SLICES[0], SLICE | {"start": 3, "stop": 1}], "nothing remains"),
        ([None] * 65, "from 1 to 64"), ([SLICES[0], SLICE | {"step": 0}], "step must not be 0"),
    ],
)  # fmt: skip
def test_indices_that_are_not_within_an_example_are_refused(tmp_path, key, message):
    with pytest.raises(ModelFileError, match=f"op .GetItem.: .*{message}"):
        load(tmp_path, operation("GetItem", X, key))


def test_a_reshape_that_would_mix_examples_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"op \(Reshape\): .*does not fit"):
        load(tmp_path, operation("Reshape", X, newshape=[-1, 4, 3]))


def test_work_and_memory_of_operations_count(tmp_path):
    rows = [operation("Tile", X, repeats=[1, 10_000, 10_000, 1])]
    with pytest.raises((xception.LimitError, ModelFileError), match=r"--max-memory|--max-operations"):
        load(tmp_path, *rows).predict(X4)
    rows = [
        operation("Tile", X, repeats=[1, 40, 40, 1]) | {"name": "tile"},
        operation("Reshape", tensor("tile"), newshape=[-1, 160 * 160, 3]) | {"name": "rows"},
        *(operation("Einsum", tensor("rows"), tensor("rows"), subscripts="bic,bjc->bi") | {"name": f"e{i}"}
          for i in range(3)),
        operation("Matmul", tensor("rows"), tensor("swapped")) | {"name": "product"},
        operation("Transpose", tensor("rows"), axes=[0, 2, 1]) | {"name": "swapped"},
    ]  # fmt: skip
    with pytest.raises((xception.LimitError, ModelFileError), match=r"--max-memory|--max-operations"):
        load(tmp_path, *rows, output=["product", 0, 0]).predict(X4)


def test_a_batch_size_that_only_a_setting_names_is_found(tmp_path):
    size = function("compat.v1.shape", "pixels", out_type="int32") | {"name": "shape"}
    first = function("__operators__.getitem", "shape", slice_spec=0)
    first |= {"name": "first", "class_name": "SlicingOpLambda"}
    reshape = function("reshape", "pixels", shape=[["first", 0, 0], -1, 2]) | {"name": "reshape"}
    rows = [layer("InputLayer", "pixels", batch_input_shape=[None, 4, 4, 3]), size, first, reshape]
    described = functional(*rows)
    described["config"]["output_layers"] = [["reshape", 0, 0]]
    network = read_network(described, 2, "x")
    assert list(network.members) == ["pixels", "reshape"]
    assert network.members["reshape"].layer == Reshape((-1, 2))
