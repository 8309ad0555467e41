"""Xception against Keras: outputs at every node and size, structure, and initial weights."""

import numpy as np
import pytest

import xception

pytestmark = pytest.mark.conformance

SIZES = [(71, 71), (96, 160), (150, 150), (256, 257), (299, 299), (331, 331)]
POOLINGS = [None, "avg", "max"]


def relative_difference(ours, theirs):
    """Return the largest difference, relative to the largest value."""
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def build_both(keras, weights, **settings):
    """Return this library's and Keras's Xception, with the same settings and weights."""
    theirs = keras.applications.Xception(weights=None, **settings)
    theirs.set_weights(weights[: len(theirs.get_weights())])
    ours = xception.Xception(weights=None, **settings)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


@pytest.fixture(scope="module", params=POOLINGS)
def bases(request, keras, weights):
    """Both networks, without a classifier, for images of any size."""
    return build_both(keras, weights, include_top=False, pooling=request.param)


# --- outputs --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_class_probabilities(keras, weights, pictures, size):
    ours, theirs = build_both(keras, weights, input_shape=(*size, 3))
    x = pictures(*size)
    expected = np.asarray(theirs(x, training=False))
    # The comparison is meaningful: probabilities are not uniform, and the images differ.
    assert expected.max() > 0.01
    assert np.abs(expected[0] - expected[1]).max() > 0.001
    np.testing.assert_allclose(ours.predict(x), expected, rtol=0, atol=1e-6)


def test_logits(keras, weights, pictures):
    ours, theirs = build_both(keras, weights, input_shape=(96, 160, 3), classifier_activation=None)
    x = pictures(96, 160)
    assert relative_difference(ours.predict(x), np.asarray(theirs(x, training=False))) < 1e-4


@pytest.mark.parametrize("size", SIZES)
def test_features(bases, pictures, size):
    ours, theirs = bases
    x = pictures(*size)
    assert relative_difference(ours.predict(x), np.asarray(theirs(x, training=False))) < 1e-4


def test_every_node(keras, weights, pictures):
    ours, theirs = build_both(keras, weights, input_shape=(96, 160, 3))
    x = pictures(96, 160)
    outputs = [layer.output for layer in theirs.layers[1:]]  # all except the input
    expected = keras.Model(theirs.inputs, outputs)(x, training=False)
    names = [layer.name for layer in ours.layers[1:]]
    assert len(names) == len(expected) == 133
    activations = ours.graph.evaluate(ours.parameters, x, names)
    differences = {
        name: relative_difference(activations[name], np.asarray(y))
        for name, y in zip(names, expected, strict=True)
    }
    assert {name: value for name, value in differences.items() if not value < 1e-4} == {}


# --- structure ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"input_shape": (96, 160, 3), "classes": 6},
        {"include_top": False},
        {"include_top": False, "pooling": "avg"},
        {"include_top": False, "pooling": "max", "input_shape": (150, 150, 3)},
    ],
    ids=str,
)
def test_layers_have_keras_names_and_shapes(keras, settings):
    keras.backend.clear_session()  # automatic names start from the beginning
    theirs = keras.applications.Xception(weights=None, **settings)
    ours = xception.Xception(weights=None, **settings)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert ours.name == theirs.name
    assert ours.input_shape == theirs.input_shape
    assert ours.output_shape == theirs.output_shape
    for layer, keras_layer in zip(ours.layers[1:], theirs.layers[1:], strict=True):
        assert layer.output_shape == tuple(keras_layer.output.shape), layer.name
        assert layer.count_params() == keras_layer.count_params(), layer.name
        assert [w.shape for w in layer.get_weights()] == [w.shape for w in keras_layer.get_weights()]


@pytest.mark.parametrize("settings", [{}, {"classes": 6}, {"include_top": False}], ids=str)
def test_parameter_counts(keras, settings):
    theirs = keras.applications.Xception(weights=None, **settings)
    ours = xception.Xception(weights=None, **settings)

    def count(variables):
        return sum(int(np.prod(variable.shape)) for variable in variables)

    assert ours.count_params() == theirs.count_params()
    assert ours.graph.count_params(trainable=True) == count(theirs.trainable_weights)
    assert ours.graph.count_params(trainable=False) == count(theirs.non_trainable_weights)


# --- initial weights ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def initial(keras):
    """(path, array of ours, array of Keras's) of each newly initialized parameter."""
    theirs = keras.applications.Xception(weights=None)
    variables = [variable for layer in theirs.layers for variable in layer.weights]
    ours = xception.Xception(weights=None, seed=0).get_weights()
    return [(v.path, array, np.asarray(v)) for v, array in zip(variables, ours, strict=True)]


def test_initial_vectors_are_equal(initial):
    vectors = [entry for entry in initial if entry[1].ndim == 1]
    assert len(vectors) == 40 * 4 + 1  # the batch normalizations, and the bias of the classifier
    for name, ours, theirs in vectors:
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_initial_kernels_have_keras_limits(initial):
    from keras.src.initializers.random_initializers import compute_fans

    kernels = [entry for entry in initial if entry[1].ndim > 1]
    assert len(kernels) == 6 + 34 * 2 + 1  # ordinary, depthwise and pointwise, dense
    for name, ours, theirs in kernels:
        limit = np.sqrt(6 / sum(compute_fans(theirs.shape)))
        assert np.abs(theirs).max() == pytest.approx(limit, rel=0.02), (
            name
        )  # this is the limit that Keras uses
        assert 0.98 * limit < np.abs(ours).max() < limit * (1 + 1e-6), name


def test_initial_kernels_are_uniform(initial):
    for name, ours, theirs in initial:
        if ours.ndim > 1:
            spread = 5 / np.sqrt(ours.size)  # the tolerance for random numbers
            assert ours.std() == pytest.approx(theirs.std(), rel=spread), name
            assert abs(ours.mean()) < spread * theirs.std(), name


def test_no_two_initial_kernels_are_equal(initial):
    kernels = [ours for _, ours, _ in initial if ours.ndim > 1]
    assert len({kernel.ravel()[:50].tobytes() for kernel in kernels}) == len(kernels)
