"""Scores are logits, however a model ends."""

import explanations
import numpy as np
import pytest
from explanations import METHODS, explain_inputs, maps_then_classes

import xception
from xception import Classifier
from xception.explanation.scores import Scores, remove_final_activation
from xception.layers import Activation, Conv2D, Dense, Flatten, Reshape, Softmax


@pytest.mark.parametrize(
    "head",
    [
        [("classes", Dense(5, "softmax"))],
        [("classes", Dense(5)), ("softmax", Activation("softmax"))],
        [("classes", Dense(5)), ("softmax", Softmax())],
        [("classes", Dense(5, "sigmoid"))],
        [
            ("shaped", Reshape((1, 1, 8))),
            ("classes", Conv2D(5, 1, activation="softmax")),
            ("flat", Flatten()),
        ],
    ],
    ids=["within", "activation", "layer", "sigmoid", "then flattened"],
)  # fmt: skip
def test_scores_are_logits_however_the_model_ends(model, inputs, head):
    built = maps_then_classes(*head)
    kernel, *rest = model.get_weights()[2:]
    shape = built.get_weights()[2].shape
    built.set_weights([*model.get_weights()[:2], kernel.reshape(shape), *rest])
    for method in METHODS:
        explanation, expected = (explain_inputs(m, inputs, method=method, target=3) for m in (built, model))
        np.testing.assert_allclose(explanation.scores, expected.scores, rtol=1e-5)
        np.testing.assert_allclose(explanation.maps, expected.maps, rtol=1e-4, atol=1e-6)


def test_a_certain_prediction_has_a_gradient_too(model, inputs):
    certain = xception.Model(model.graph, dict(model.parameters))
    weights = certain.get_weights()
    certain.set_weights([*weights[:-2], weights[-2] * 1000, weights[-1]])
    assert certain.predict(inputs).max() == 1
    explanation, expected = (explain_inputs(m, inputs, target=1) for m in (certain, model))
    np.testing.assert_allclose(explanation.maps, 1000 * expected.maps, rtol=1e-4)


def test_a_single_score_speaks_for_the_second_of_two_classes(inputs):
    model = maps_then_classes(("classes", Dense(1, "sigmoid")))
    model.class_names = ["cat", "dog"]
    both = explain_inputs(model, inputs, target=["cat", "dog"])
    kernel = model.parameters["classes"]["kernel"][:, 0]
    dog = explanations.activations(model, inputs) @ kernel / 16
    np.testing.assert_allclose(both.maps[:, 1], np.maximum(dog, 0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(both.maps[:, 0], np.maximum(-dog, 0), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(both.scores[:, 0], -both.scores[:, 1])
    probability = model.predict(inputs)[:, 0]
    np.testing.assert_array_equal(explain_inputs(model, inputs).targets, probability > 0.5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_a_forward_pass_gives_scores_probabilities_and_activations(inputs, activation):
    model = maps_then_classes(("classes", Dense(5, activation)))
    scores = Scores(Classifier(model))
    forward = scores.forward({"image": inputs}, ["maps"])
    kernel, bias = model.parameters["classes"].values()
    maps = explanations.activations(model, inputs)
    np.testing.assert_allclose(forward.activations["maps"], maps, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(forward.scores, maps.mean(axis=(1, 2)) @ kernel + bias, rtol=1e-4, atol=1e-5)
    expected = model.predict(inputs)
    if activation == "linear":
        expected = xception.kernels.softmax(expected)
    np.testing.assert_allclose(forward.probabilities, expected, rtol=1e-5)
    np.testing.assert_allclose(scores.compute({"image": inputs}), forward.scores, rtol=1e-6)


def test_the_models_own_graph_is_unchanged(model):
    graph, changed = remove_final_activation(model.graph)
    assert changed == "classes"
    assert graph.nodes["classes"].layer.activation == "linear"
    assert model.graph.nodes["classes"].layer.activation == "softmax"
    linear = maps_then_classes(("classes", Dense(5)))
    assert remove_final_activation(linear.graph) == (linear.graph, None)
