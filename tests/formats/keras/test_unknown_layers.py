"""The advice for Lambda layers, custom classes and other packages."""

import base64
import marshal
import re

import pytest

from xception.formats.keras.layer_settings import check_origin, read_layer
from xception.formats.keras.unknown_layers import explain_lambda, explain_model


def stored(source, keras):
    """The config of a Lambda layer with the code of a function, as Keras 2 or 3 writes it."""
    code = base64.encodebytes(marshal.dumps(compile(source, "x.py", "eval"))).decode()
    if keras == 2:
        return {"function": [code, None, None], "function_type": "lambda"}
    return {"function": {"class_name": "__lambda__", "config": {"code": code, "defaults": None}}}


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize(
    ("source", "reads_input", "is_output", "advice"),
    [
        ("x / 255", True, False, "put Rescaling"),
        ("(x - K.mean) / 2", True, False, "put Rescaling"),
        ("K.mean(x, axis=-1)", False, False, r"keras\.ops\.mean"),
        ("tf.reduce_max(x, axis=-1)", False, False, r"keras\.ops\.max"),
        ("tf.nn.l2_normalize(x)", False, True, r"UnitNormalization\(\)"),
        ("tf.image.resize(x, (9, 9))", True, False, "Resizing"),
        ("K.expand_dims(x)", False, False, "Reshape"),
        ("tf.nn.relu(x)", False, False, r"Activation\('relu'\)"),
        ("x[:, 1]", False, False, "operations of keras.ops on the tensors"),
        ("x * 2", False, True, "computes an output"),
    ],
)
def test_code_is_searched_for_names(keras, source, reads_input, is_output, advice):
    text = explain_lambda("lambda_1", stored(source, keras), reads_input, is_output)
    assert text.startswith("a Lambda layer holds Python code, and code from a file is never run")
    assert re.search(advice, text), text


@pytest.mark.parametrize(
    "config",
    [
        {"function": "preprocess_input", "function_type": "function"},
        {"function": {"class_name": "function", "module": "builtins", "config": "preprocess_input"}},
    ],
)
def test_the_function_is_named(config):
    text = explain_lambda("lambda", config, True, False)
    assert "its function is called 'preprocess_input'" in text
    assert "put Rescaling(1/127.5, offset=-1) in its place" in text


def test_the_name_of_the_layer_counts():
    assert "UnitNormalization" in explain_lambda("l2_norm", {}, False, False)
    assert "keras.ops.mean" in explain_lambda("channel_mean_2", {}, False, False)


@pytest.mark.parametrize(
    "function", [None, 3, [], [None], [3], ["%%%"], ["A"], {"config": {"code": 3}}, {"config": 3}, "\x1b" * 5]
)
def test_odd_functions_give_general_advice(function):
    text = explain_lambda("lambda", {"function": function}, False, False)
    assert "operations of keras.ops on the tensors" in text


def test_packages_and_classes_of_ones_own_are_named():
    for described, words in (
        ({"class_name": "ViT", "module": "keras_hub.src.vit"}, ("'ViT'", "needs the package keras_hub")),
        ({"class_name": "ViT", "registered_name": "keras_nlp>ViT"}, ("'keras_nlp>ViT'", "package keras_nlp")),
        ({"class_name": "Mine", "module": "my.code", "registered_name": "p>Mine"}, ("'my.code'", "'p>Mine'")),
    ):
        with pytest.raises(ValueError, match=r"custom code is not run.*new\.set_weights") as caught:
            check_origin(described)
        assert all(word in str(caught.value) for word in words)
    with pytest.raises(ValueError, match=r"'Addons>Fancy' is not a supported layer: .* 'Addons'"):
        read_layer("Addons>Fancy", {}, 2)
    with pytest.raises(ValueError, match=r"'Mine' is not a supported layer\. If it is a class of your own"):
        read_layer("Mine", {}, 2)
    text = explain_model("Mine", "my.code", "p>Mine", ("Functional",))
    assert "'Mine' (module 'my.code', registered as 'p>Mine')" in text
    assert "keras.Model(model.inputs, model.outputs).save" in text
