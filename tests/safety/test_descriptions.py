"""Hostile configs of models: the JSON in `.keras` and in `.h5`."""

import base64
import json
import marshal

import numpy as np
import pytest
from hostile import (
    archive,
    assert_config_refused,
    entry,
    functional,
    hdf5_bytes,
    layer,
    sequential,
    small,
    tensor,
    whole_h5,
)

import xception

BYTECODE = base64.b64encode(marshal.dumps(compile("__import__('canary')", "x", "exec"))).decode()
LAMBDA = {
    "class_name": "__lambda__",
    "config": {"code": BYTECODE, "defaults": None, "closure": None},
}


# --- code -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [[BYTECODE, None, None], LAMBDA, "canary", "os.system", {"class_name": "function", "config": "f"}],
)
@pytest.mark.parametrize("class_name", ["Lambda", "keras.layers>Lambda", "KerasLayer", "TFSMLayer"])
def test_code_in_a_layer_is_not_run(tmp_path, class_name, function):
    code = layer(class_name, "scale", "dense", function=function, function_type="lambda", output_shape=[2])
    assert_config_refused(tmp_path, small(code), "code from a file is never run|is not a supported layer")
    assert_config_refused(tmp_path, sequential(entry(), code), "never run|is not a supported layer")
    inside = functional(entry("vector", (None, 2)), layer(class_name, "scale", "vector"), name="inside")
    inside |= {"name": "inside", "inbound_nodes": [{"args": [tensor("dense")], "kwargs": {}}]}
    assert_config_refused(tmp_path, small(inside), "inside: scale .*(never run|is not a supported layer)")


@pytest.mark.parametrize(
    "module", ["canary", "os", "builtins.x", "keras.canary.evil", "kerasx", "", 3, ["keras"], {}]
)
@pytest.mark.parametrize("class_name", ["Layer", "system", "function", "Dense"])
def test_modules_are_not_imported(tmp_path, class_name, module):
    if class_name == "Dense" and module == "keras.canary.evil":
        module = "canary.keras"  # a module of Keras is not imported either, but its name is accepted
    evil = layer(class_name, "evil", "dense", units=2, more={"module": module})
    assert_config_refused(tmp_path, small(evil), "evil .*(not of Keras|is not a supported layer)")


@pytest.mark.parametrize("registered", ["canary>Layer", "a>b>Dense", ">x>Dense", ["canary>Dense"], {"a": 1}])
def test_registered_names_are_not_looked_up(tmp_path, registered):
    evil = layer("Dense", "evil", "dense", units=2, more={"registered_name": registered})
    assert_config_refused(tmp_path, small(evil), "registered as .* not run")


@pytest.mark.parametrize(
    "setting", ["activation", "kernel_initializer", "kernel_regularizer", "bias_constraint"]
)
@pytest.mark.parametrize(
    "value",
    [
        LAMBDA,
        "canary.function",
        {"module": "canary", "class_name": "Layer", "config": {}, "registered_name": None},
        {"module": "canary", "class_name": "function", "config": "function", "registered_name": "function"},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "exec"},
    ],
)
def test_functions_are_not_looked_up(tmp_path, setting, value):
    """An activation is refused; what matters only to training is ignored."""
    path = archive(tmp_path / "x.keras", small_with(setting, value))
    if setting == "activation":
        assert_config_refused(
            tmp_path, small_with(setting, value), "dense .*(activation|not of Keras|is not a supported)"
        )
    else:
        assert xception.load_model(path).count_params() == 22


def small_with(setting, value, of="dense"):
    described = small()
    (found,) = (one for one in described["config"]["layers"] if one["name"] == of)
    found["config"][setting] = value
    return described


@pytest.mark.parametrize("class_name", ["TFOpLambda", "TensorFlowOpLayer", "SlicingOpLambda"])
@pytest.mark.parametrize(
    "function", ["py_function", "numpy_function", "io.read_file", "canary.function", "raw_ops.Py"]
)
def test_tensorflow_functions_are_not_looked_up(tmp_path, class_name, function):
    node = {"name": "x", "op": function, "attr": {}}
    evil = layer(class_name, "evil", "dense", function=function, node_def=node, more={"module": None})
    evil["inbound_nodes"] = [["dense", 0, 0, {}]]
    assert_config_refused(tmp_path, small(evil), "evil .*is not (supported|a supported layer)")


def test_settings_besides_the_layers_are_ignored(tmp_path):
    evil = {
        "module": "canary",
        "class_name": "Layer",
        "config": {"code": BYTECODE},
        "registered_name": "canary>Layer",
    }
    described = small() | {
        "compile_config": {"optimizer": evil, "loss": evil, "metrics": [evil]},
        "build_config": evil,
    }
    described["config"] |= {"build_config": evil, "shared_object_id": evil}
    for path in (
        archive(
            tmp_path / "x.keras", described, more={"assets/canary.py": "raise SystemExit", "canary.py": "1/0"}
        ),
        whole_h5(
            tmp_path / "x.h5", described, lambda file: file.attrs.create("training_config", json.dumps(evil))
        ),
    ):
        assert xception.load_model(path).predict(np.zeros((1, 8, 8, 3))).tolist() == [[1, 2]]


# --- JSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("[]", "should hold a JSON object, found list"),
        ("null", "should hold a JSON object"),
        ('"' + "x" * 100_000, "is not valid JSON"),
        ("[" * 500_000, "is not valid JSON"),
        ('{"a":' * 100_000, "is not valid JSON"),
        ('{"class_name": "Functional", "config": ' + "9" * 1_000_000 + "}", "is not valid JSON|is damaged"),
        ("{}", "class_name"),
        ('{"class_name": "Functional"}', "config"),
        ('{"class_name": "Functional", "config": null}', "is damaged"),
        ('{"class_name": ["Functional"], "config": {}}', "is of the class"),
        ('{"class_name": "Functional", "config": {"layers": 3}}', "is damaged"),
        ('{"class_name": "Functional", "config": {"layers": "abc"}}', "is damaged"),
        ('{"class_name": "Sequential", "config": {"layers": [[]]}}', "is damaged"),
        ('{"class_name": "Sequential", "config": []}', "has no layers"),
    ],
)
def test_texts_that_are_no_config(tmp_path, text, message):
    assert_config_refused(tmp_path, text, message)


def test_a_config_that_is_too_long(tmp_path):
    from xception.formats.limits import MAX_TEXT_BYTES

    text = json.dumps(small()) + " " * MAX_TEXT_BYTES
    with pytest.raises(xception.ModelFileError, match=r"config\.json: unpacks to .* are read"):
        xception.load_model(archive(tmp_path / "x.keras", text, packed=True))
    with pytest.raises(xception.ModelFileError, match=r"model_config. has .* bytes; at most"):
        xception.load_model(whole_h5(tmp_path / "x.h5", text))


def test_configs_that_are_not_utf_8(tmp_path):
    for text in (b"\xff\xfe\x00", b'{"class_name": "\xff"}', json.dumps(small()).encode("utf-16")[:-1]):
        assert_config_refused(tmp_path, text, "is not valid JSON")


def test_deeply_nested_settings(tmp_path):
    for depth, message in ((200, "target_shape|nested|damaged"), (900, "target_shape|nested|damaged|JSON")):
        deep = json.loads("[" * depth + "1" + "]" * depth)
        assert_config_refused(tmp_path, small(layer("Reshape", "deep", "dense", target_shape=deep)), message)
        described = small(input_layers=deep)
        assert_config_refused(tmp_path, described, "small: ")
        assert_config_refused(tmp_path, small(layer("Add", "deep", [deep])), "deep|nested")


# --- numbers --------------------------------------------------------------------------------

ODD_VALUES = [
    0,
    -1,
    -(2**31),
    2**31,
    2**63,
    2**64,
    10**400,
    1e400,
    float("nan"),
    float("-inf"),
    1.5,
    True,
    "2",
    None,
    [],
    {},
]


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize(
    ("class_name", "setting", "more"),
    [
        ("Dense", "units", {}),
        ("Conv2D", "filters", {"kernel_size": 1}),
        ("Conv2D", "kernel_size", {"filters": 1}),
        ("Conv2D", "strides", {"filters": 1, "kernel_size": 1}),
        ("Conv2D", "dilation_rate", {"filters": 1, "kernel_size": 1}),
        ("Conv2D", "groups", {"filters": 1, "kernel_size": 1}),
        ("Conv2DTranspose", "output_padding", {"filters": 1, "kernel_size": 1, "padding": []}),
        ("SeparableConv2D", "depth_multiplier", {"filters": 1, "kernel_size": 1}),
        ("MaxPooling2D", "pool_size", {"strides": 1}),
        ("UpSampling2D", "size", {}),
        ("Resizing", "height", {"width": 2}),
        ("CenterCrop", "width", {"height": 2}),
        ("BatchNormalization", "axis", {}),
        ("Rescaling", "scale", {"offset": {}}),
        ("Permute", "dims", {}),
    ],
)
def test_settings_with_odd_numbers(tmp_path, class_name, setting, more, value):
    evil = layer(class_name, "evil", "pixels", **more, **{setting: value})
    try:
        model = xception.load_model(archive(tmp_path / "x.keras", functional(entry(), evil), b""))
    except xception.ModelFileError as error:
        assert "evil" in str(error) or "not an HDF5 file" in str(error)  # noqa: PT017
    else:
        pytest.fail(f"{model} has no weights")


@pytest.mark.parametrize("value", ODD_VALUES[:-2], ids=lambda value: str(value)[:12])
def test_input_shapes_with_odd_sizes(tmp_path, value):
    if value is not None:
        assert_config_refused(tmp_path, functional(entry(shape=(None, 8, value, 3))), "shape|of memory")
        assert_config_refused(tmp_path, functional(entry(shape=(None, value))), "shape|of memory")
    assert_config_refused(tmp_path, functional(entry(shape=value)), "shape")
    assert_config_refused(tmp_path, sequential(entry(shape=value), layer("Flatten", "flat")), "shape")


def test_shapes_with_too_many_axes(tmp_path):
    assert_config_refused(tmp_path, functional(entry(shape=(None, *[1] * 100_000))), "shape")
    for class_name, setting in (("Reshape", "target_shape"), ("Permute", "dims")):
        for sizes in ([1] * 100_000, [2**31 - 1] * 100_000, list(range(1, 100_001))):
            evil = layer(class_name, "evil", "pixels", **{setting: sizes})
            assert_config_refused(tmp_path, functional(entry(), evil), "evil")


@pytest.mark.parametrize(
    "evil",
    [
        layer("UpSampling2D", "evil", "pixels", size=2**31 - 1),
        layer("ZeroPadding2D", "evil", "pixels", padding=2**31 - 1),
        layer("Resizing", "evil", "pixels", height=2**31 - 1, width=2**31 - 1),
        layer("CenterCrop", "evil", "pixels", height=2**31 - 1, width=2**31 - 1),
        layer("Conv2DTranspose", "evil", "pixels", filters=1, kernel_size=2**31 - 1, strides=2**31 - 1),
        layer("Dense", "evil", "pixels", units=2**31 - 1),
        layer("Conv2D", "evil", "pixels", filters=2**31 - 1, kernel_size=1),
    ],
    ids=lambda described: described["class_name"],
)
def test_outputs_too_large_for_memory(tmp_path, evil):
    assert_config_refused(
        tmp_path,
        functional(entry(), evil),
        r"evil: takes [\d.]+GB of memory; the limit is 1.3GB",
    )


@pytest.mark.parametrize("name", ["UpSampling2D", "ZeroPadding2D"])
def test_outputs_too_large_for_memory_with_an_image(tmp_path, name):
    """With an open input size, only the image decides."""
    setting = {"UpSampling2D": "size", "ZeroPadding2D": "padding"}[name]
    described = functional(
        entry(shape=(None, None, None, 3)),
        layer("Conv2D", "conv", "pixels", filters=4, kernel_size=[1, 1], use_bias=False),
        layer(name, "evil", "conv", **{setting: 5000}),
        layer("GlobalAveragePooling2D", "pool", "evil"),
        layer("Dense", "dense", "pool", units=2),
    )
    path = archive(tmp_path / "x.keras", described)
    model = xception.load_model(path)
    with pytest.raises(xception.LimitError, match=r"takes .*set_limits\(max_"):
        model.predict(np.zeros((1, 8, 8, 3)))


def test_sizes_with_thousands_of_digits(tmp_path):
    rows = [
        layer("UpSampling2D", f"up{i}", f"up{i - 1}" if i else "pixels", size=2**31 - 1) for i in range(2000)
    ]
    described = functional(entry(shape=(None, None, None, 3)), *rows)
    model = xception.load_model(
        archive(tmp_path / "x.keras", described, hdf5_bytes(lambda file: file.create_group("layers")))
    )
    with pytest.raises(xception.LimitError, match=r"takes [\d.]+GB of memory"):
        model.predict(np.zeros((1, 8, 8, 3)))


def test_outputs_that_grow_from_layer_to_layer(tmp_path):
    rows = [
        layer("UpSampling2D", f"up{i}", f"up{i - 1}" if i else "pixels", size=2**31 - 1) for i in range(2000)
    ]
    assert_config_refused(tmp_path, functional(entry(), *rows), "up0: takes .* of memory")
    vector = [entry(shape=(None, 2)), layer("RepeatVector", "evil", "pixels", n=2**31 - 1)]
    assert_config_refused(tmp_path, functional(*vector), "evil: takes .* of memory")


def test_more_parameters_than_the_file_holds(tmp_path):
    assert_config_refused(tmp_path, small_with("units", 2**31 - 1), "dense: takes .* of memory")
    assert_config_refused(
        tmp_path, small_with("units", 2**26), r"kernel should have shape \(4, 67108864\), found \(4, 2\)"
    )


# --- layers within layers -------------------------------------------------------------------


def lstm(**settings):
    return {"class_name": "LSTM", "config": {"units": 2, **settings}}


def of_frames(*layers):
    return sequential(entry("frames", (None, 4, 3)), *layers)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"stateful": True}, "stateful = True is not supported: .*Build the same layer with stateful=False"),
        ({"time_major": True}, "time_major = True is not supported: sequences are"),
        ({"units": 10**12}, "units must be at most"),
        ({"activation": "canary"}, "activation 'canary' is not supported"),
        ({"recurrent_activation": {"class_name": "Lambda", "config": {}}}, "code from a file is never run"),
    ],
)
def test_settings_of_recurrent_layers_are_checked_at_any_depth(tmp_path, settings, reason):
    inner = lstm(**settings)
    assert_config_refused(
        tmp_path, of_frames(layer("LSTM", "memory", **inner["config"])), f"memory .*{reason}"
    )
    both = layer("Bidirectional", "both", layer=inner)
    assert_config_refused(tmp_path, of_frames(both), rf"both .*its layer \(LSTM\): .*{reason}")


def test_layers_within_layers_are_checked(tmp_path):
    for inner, reason in (
        ({"class_name": "Lambda", "config": {}}, "code from a file is never run"),
        (lstm() | {"module": "canary"}, "custom code is not run"),
        (lstm() | {"registered_name": "canary>LSTM"}, "custom code is not run"),
        ({"class_name": "Dense", "config": {"units": 2}}, "layer must be Recurrent, got Dense"),
        ({"class_name": "LSTM"}, "should describe a layer"),
        ("LSTM", "should describe a layer"),
        (None, "layer must be Recurrent, got None"),
    ):
        assert_config_refused(
            tmp_path, of_frames(layer("Bidirectional", "both", layer=inner)), f"both.*{reason}"
        )
    cell = {"class_name": "LSTMCell", "config": {"units": 2}}
    for _ in range(300):
        cell = {"class_name": "StackedRNNCells", "config": {"cells": [cell]}}
    assert_config_refused(tmp_path, of_frames(layer("RNN", "deep", cell=cell)), "deep .*more than 8 deep")
    assert_config_refused(tmp_path, of_frames(layer("Masking", "skip")), "skip .*argument mask")
    assert_config_refused(tmp_path, of_frames(layer("LSTMCell", "cell", units=2)), "cell .*takes 0 input")
