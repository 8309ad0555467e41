"""Models with attention and layers for sequences, in files of Keras and of this library."""

import importlib

import numpy as np
import pytest

import xception

pytestmark = pytest.mark.conformance


def attention(library):
    """Every way to call an attention layer, and layers for sequences behind it."""
    layers, a, b, c = library.layers, *(library.Input(shape) for shape in ((6, 8), (5, 7), (5, 9)))
    x = layers.MultiHeadAttention(2, 3, value_dim=4, name="cross")(a, b, key=c)
    y = layers.MultiHeadAttention(2, 3, dropout=0.1, output_shape=5)(value=x, query=x, use_causal_mask=True)
    z, _ = layers.MultiHeadAttention(2, 3, use_bias=False)(y, y, return_attention_scores=True)
    z = layers.Attention(use_scale=True, score_mode="concat")([z, y])
    z = layers.Attention(use_scale=True)([z, y, y], use_causal_mask=True)
    z = layers.AdditiveAttention()([z, y])
    z = layers.EinsumDense("abc,cd->abd", output_shape=(6, 5), bias_axes="d", activation="relu")(z)
    z = layers.EinsumDense("...x,xyz->...yz", output_shape=(4, 2), bias_axes="z")(z)  # (6, 4, 2)
    z = layers.MultiHeadAttention(2, 3)(z, z)  # over both axes
    return library.Model([a, b, c], layers.Flatten()(z))


def sequences(library):
    layers, x = library.layers, library.Input((12, 8))
    y = layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="swish")(x)
    y = layers.Conv1DTranspose(4, 3, strides=2, padding="same")(layers.SeparableConv1D(4, 3)(y))
    y = layers.DepthwiseConv1D(2, depth_multiplier=2)(layers.MaxPooling1D()(y))
    y = layers.UpSampling1D(2)(layers.Cropping1D(1)(layers.ZeroPadding1D((1, 2))(y)))
    y = layers.LayerNormalization(axis=[1, 2])(layers.AveragePooling1D(3, 2, padding="same")(y))
    y = layers.GlobalMaxPooling1D()(layers.GlobalAveragePooling1D(keepdims=True)(y))
    return library.Model(x, y)


def vision_transformer(library):
    """As many write it: with patches from a convolution, and the encoder as a nested model."""
    layers, tokens = library.layers, library.Input((None, 16))
    y = layers.LayerNormalization(epsilon=1e-6)(tokens)
    x = layers.Add()([tokens, layers.MultiHeadAttention(4, 4, dropout=0.1)(y, y)])
    y = layers.Dense(32, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
    encoder = library.Model(tokens, layers.Add()([x, layers.Dense(16)(y)]), name="encoder")
    image = library.Input((32, 32, 3))
    x = layers.Reshape((-1, 16))(layers.Conv2D(16, 8, strides=8)(image))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(encoder(x)))
    return library.Model(image, layers.Dense(4, activation="softmax")(x))


def grouped_attention(library):
    layers, x = library.layers, library.Input((6, 8))
    y = layers.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True)
    return library.Model(
        x, layers.RMSNormalization()(layers.GroupQueryAttention(3, 2, 2, use_bias=False)(y, x))
    )


def published(library):
    """The layers that ConvNeXt and Inception-ResNet v2 define for themselves."""
    applications = importlib.import_module(f"{library.__name__}.src.applications.convnext")
    inception = importlib.import_module(f"{library.__name__}.src.applications.inception_resnet_v2")
    layers, image = library.layers, library.Input((8, 8, 3))
    x = layers.Conv2D(6, 3)(image)
    y = applications.StochasticDepth(0.2)(applications.LayerScale(1e-6, 6)(x))
    x = inception.CustomScaleLayer(0.17)([x, applications.LayerScale(1e-6, 6)(y)])
    return library.Model(image, layers.GlobalAveragePooling2D()(x))


MODELS = [attention, sequences, vision_transformer, grouped_attention, published]


def build(name, builder):
    """Return Keras's model with random weights, inputs for it, and its answers."""
    library = pytest.importorskip(name)
    if builder is grouped_attention and name == "tf_keras":
        pytest.skip("not in this Keras")
    library.backend.clear_session()
    model, rng = builder(library), np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, np.shape(w)).astype(np.float32) for w in model.get_weights()])
    inputs = [rng.normal(size=(2, *x.shape[1:])).astype(np.float32) for x in model.inputs]
    return model, inputs, np.asarray(model(inputs if len(inputs) > 1 else inputs[0]))


def check_answers(model, inputs, expected):
    named = dict(zip(model.graph.inputs, inputs, strict=True)) if len(inputs) > 1 else inputs[0]
    answers = model.predict(named, verbose=False)
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
@pytest.mark.parametrize("builder", MODELS)
def test_files_of_keras(name, builder, tmp_path):
    model, inputs, expected = build(name, builder)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        loaded = xception.load_model(tmp_path / f"model{suffix}")
        assert loaded.count_params() == model.count_params()
        check_answers(loaded, inputs, expected)
    for file_name in ("model.weights.h5", "old.h5") if name == "tf_keras" else ("model.weights.h5",):
        model.save_weights(tmp_path / file_name)
        loaded.set_weights([np.zeros_like(array) for array in loaded.get_weights()])
        loaded.load_weights(tmp_path / file_name)
        check_answers(loaded, inputs, expected)


@pytest.mark.parametrize("builder", MODELS)
def test_keras_reads_files_of_this_library(builder, tmp_path):
    keras = pytest.importorskip("keras")
    model, inputs, expected = build("keras", builder)
    model.save(tmp_path / "model.keras")
    loaded = xception.load_model(tmp_path / "model.keras")
    loaded.save(tmp_path / "again.keras")
    check_answers(xception.load_model(tmp_path / "again.keras"), inputs, expected)
    again = keras.models.load_model(tmp_path / "again.keras")
    answers = np.asarray(again(inputs if len(inputs) > 1 else inputs[0]))
    np.testing.assert_allclose(answers, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "file_name"),
    [("keras", "new.weights.h5"), ("tf_keras", "old.h5"), ("tf_keras", "new.weights.h5")],
)
@pytest.mark.parametrize("builder", MODELS)
def test_keras_reads_weights_of_this_library(name, file_name, builder, tmp_path):
    if (name, file_name) == ("tf_keras", "new.weights.h5") and builder in (attention, vision_transformer):
        pytest.skip("tf-keras calls the parts of attention '_query_dense', Keras 3 'query_dense'")
    model, inputs, expected = build(name, builder)
    model.save(tmp_path / "model.keras")
    xception.load_model(tmp_path / "model.keras").save_weights(tmp_path / file_name)
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    model.load_weights(tmp_path / file_name)
    answers = np.asarray(model(inputs if len(inputs) > 1 else inputs[0]))
    np.testing.assert_allclose(answers, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_mask_as_a_tensor_is_refused(name, tmp_path):
    library = pytest.importorskip(name)
    x, mask = library.Input((6, 8)), library.Input((6, 6))
    y = library.layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)
    library.Model([x, mask], y).save(tmp_path / "model.keras")
    with pytest.raises(xception.ModelFileError, match=r"MultiHeadAttention.*attention_mask"):
        xception.load_model(tmp_path / "model.keras")


def test_the_scores_of_attention_are_refused(tmp_path):
    keras = pytest.importorskip("keras")
    x = keras.Input((6, 8))
    _, scores = keras.layers.MultiHeadAttention(2, 3, name="head")(x, x, return_attention_scores=True)
    keras.Model(x, scores).save(tmp_path / "model.keras")
    with pytest.raises(xception.ModelFileError, match=r"head.*output"):
        xception.load_model(tmp_path / "model.keras")
