"""Whole models in Keras 2's `.h5`, as this library writes them: Keras 3 and tf-keras answer the same."""

import keras_models
import pytest
import small_models
from keras_cases import assert_close, compute_outputs, make_case

import xception
from xception.formats.keras.legacy_writer import ACTIVATIONS
from xception.layers import Activation, Dense, Input

pytestmark = pytest.mark.conformance

#: Models of `keras_models` with what Keras 2 cannot express, and the layer that the error names.
REFUSED = {
    "preprocess_input_inside": "true_divide", "arithmetic_inside": "true_divide", "two_outputs": "multiply",
    "named_outputs": "the model", "xception_with_everything": "true_divide",
}  # fmt: skip
SMALL = ("base", "nested", "in_a_row", "nested_twice")  # the others have operations


def check(built, x, libraries, folder):
    """Save a model, and compare the answers of each Keras with those of the model."""
    expected = compute_outputs(built, x)
    built.save(folder / "x.h5")
    assert_close(compute_outputs(xception.load_model(folder / "x.h5"), x), expected)
    for library in libraries:
        model = library.models.load_model(folder / "x.h5", compile=False)
        assert_close(compute_outputs(model, x), expected)


@pytest.fixture(scope="session")
def libraries():
    return [pytest.importorskip("keras"), pytest.importorskip("tf_keras")]


@pytest.mark.parametrize("name", keras_models.BUILDERS)
def test_models(libraries, folder, name):
    builder = keras_models.BUILDERS[name]
    library = libraries[0] if "keras" in builder.libraries else libraries[1]
    case = make_case(name, library, folder)
    built = xception.load_model(folder / "theirs.keras")
    if name in REFUSED:
        with pytest.raises(ValueError, match=f"{REFUSED[name]}.* cannot be saved as .h5"):
            built.save(folder / "x.h5")
        assert not (folder / "x.h5").exists()
    else:
        check(built, case.x, libraries, folder)


@pytest.mark.parametrize("name", SMALL)
def test_small_models(libraries, folder, name):
    built = small_models.model(small_models.EVERY[name]())
    check(built, small_models.entering(built), libraries, folder)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(libraries, folder, name):
    built = small_models.model(
        small_models.row(
            "activations", ("x", Input((5,))), ("dense", Dense(4, name)), ("activation", Activation(name))
        )
    )
    check(built, small_models.entering(built), libraries, folder)
