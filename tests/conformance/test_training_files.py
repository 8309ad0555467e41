"""Files from which training goes on: with Keras's regularizers, constraints, momentum, and optimizers."""

import numpy as np
import pytest

import xception
from xception import formats, layers
from xception.formats.training_state import TrainingState
from xception.layers.penalized import find_constraint, find_regularizer, penalties_of

pytestmark = pytest.mark.conformance


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 3)).astype(np.float32)


def penalized(keras):
    """A model with every kind of regularizer and constraint."""
    r, c = keras.regularizers, keras.constraints
    inputs = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(
        4, 3, kernel_regularizer=r.L2(0.01), kernel_constraint=c.MaxNorm(0.5, axis=[0, 1, 2]),
        bias_constraint=c.NonNeg(), name="conv",
    )(inputs)  # fmt: skip
    y = keras.layers.BatchNormalization(
        momentum=0.8, gamma_regularizer=r.L1(0.02), beta_constraint="non_neg", name="bn"
    )(y)
    y = keras.layers.SeparableConv2D(
        5, 3, depthwise_regularizer=r.L1L2(0.01, 0.02), pointwise_constraint=c.UnitNorm(axis=[0, 1, 2]),
        name="separable",
    )(y)  # fmt: skip
    y = keras.layers.DepthwiseConv2D(3, depthwise_constraint=c.MaxNorm(1), name="depthwise")(y)
    y = keras.layers.PReLU(alpha_regularizer="l2", name="prelu")(y)
    y = keras.layers.Flatten()(y)
    y = keras.layers.Dense(
        2, kernel_constraint=c.MinMaxNorm(0.2, 0.5, rate=0.5), bias_regularizer=r.L2(0.1), name="dense"
    )(y)
    return keras.Model(inputs, y)


def variables_of(model):
    """Pairs of a layer and a parameter, in the order of Keras's variables."""
    for path, member in model.network.leaves():
        for name, parameter in model.graph.nodes[path].parameters.items():
            if parameter.trainable:
                yield path, member.layer, name


@pytest.mark.parametrize("kind", ["keras", "h5", "json"])
def test_penalties_have_the_numbers_of_keras_on_both_sides(library, keras, folder, kind):
    """Keras 3 and tf-keras write them, this library reads and writes them, and Keras 3 reads them again."""
    built = penalized(library)
    randomize(built)
    path = folder / f"model.{'keras' if kind == 'keras' else 'h5'}"
    if kind == "json":
        built.save_weights(folder / "m.weights.h5")
        (folder / "model.json").write_text(built.to_json())
        model = xception.load_model(folder / "model.json", folder / "m.weights.h5")
    else:
        built.save(path)
        model = xception.load_model(path)
    assert_penalties_agree(model, built)
    assert model.graph.nodes["bn"].layer.momentum == 0.8
    model.save(folder / "again.keras")
    again = keras.models.load_model(folder / "again.keras")
    assert_penalties_agree(model, again)
    assert again.get_layer("bn").momentum == 0.8


def randomize(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])


def assert_penalties_agree(model, built):
    weights = [w for layer in built.layers for w in layer.trainable_weights]
    constraints = [getattr(w, "constraint", None) for w in weights]
    variables = list(variables_of(model))
    assert len(weights) == len(variables)
    penalties, numbers = 0.0, 0
    for (path, layer, name), weight, constraint in zip(variables, weights, constraints, strict=True):
        w = model.parameters[path][name].copy()
        np.testing.assert_array_equal(w, np.asarray(weight))
        regularizer = find_regularizer(layer, name)
        penalties += regularizer.penalty(w) if regularizer else 0
        own = find_constraint(layer, name)
        assert (own is None) == (constraint is None), (path, name)
        if own is not None:
            own.apply(w)
            numbers += 1
            np.testing.assert_allclose(w, np.asarray(constraint(weight)), rtol=2e-6, atol=1e-7)
    assert numbers == 6
    np.testing.assert_allclose(penalties, sum(map(float, built.losses)), rtol=1e-5)


def test_the_gradient_of_penalties_is_that_of_keras(keras):
    import tensorflow as tf

    w = np.array([[0.5, -2, 0], [1e-3, 3, -1]], np.float32)
    for name, own in (("L1", layers.penalties.L1(0.3)), ("L2", layers.penalties.L2(0.3)),
                      ("L1L2", layers.penalties.L1L2(0.2, 0.1))):  # fmt: skip
        settings = {key: getattr(own, key) for key in ("l1", "l2") if key in own.__dataclass_fields__}
        variable = tf.Variable(w)
        with tf.GradientTape() as tape:
            loss = getattr(keras.regularizers, name)(**settings)(variable)
        gradient = np.zeros_like(w)
        own.add_gradient(w, gradient)
        np.testing.assert_allclose(gradient, tape.gradient(loss, variable), rtol=1e-6)


# --- optimizers -------------------------------------------------------------------------------


def optimizers(keras):
    cosine = keras.optimizers.schedules.CosineDecay(0.05, 20, warmup_target=0.1, warmup_steps=3)
    return {
        "adam": keras.optimizers.Adam(0.003),
        "adamw": keras.optimizers.AdamW(cosine, weight_decay=0.02, global_clipnorm=1.0),
        "sgd": keras.optimizers.SGD(0.01),
        "nesterov": keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, clipnorm=0.5),
    }


def nested(keras, frozen=()):
    """A network within the model, two branches, and frozen layers at both depths."""
    inner = keras.Input((8, 8, 3))
    # Without a bias, whose gradient before normalization is rounding alone, which Adam makes whole steps of.
    y = keras.layers.Conv2D(4, 3, use_bias=False, name="conv", trainable="conv" not in frozen)(inner)
    y = keras.layers.BatchNormalization(name="bn")(y)
    base = keras.Model(inner, keras.layers.SeparableConv2D(4, 3, name="separable")(y), name="base")
    inputs = keras.Input((8, 8, 3))
    y = keras.layers.GlobalAveragePooling2D()(base(inputs))
    a = keras.layers.Dense(3, name="a", trainable="a" not in frozen)(y)
    b = keras.layers.Dense(3, name="b")(y)
    return keras.Model(inputs, keras.layers.Dense(2, name="d")(keras.layers.Add()([b, a])))


def trained(keras, name, frozen, x):
    model = nested(keras, frozen)
    model.compile(optimizers(keras)[name], "mse", metrics=["mae"], run_eagerly=True)
    y = np.random.default_rng(2).normal(size=(6, 2)).astype(np.float32)
    model.fit(x, y, epochs=3, batch_size=2, verbose=0, shuffle=False)
    return model, y


def by_name(model):
    """The variables of Keras's optimizer: {(layer, parameter): {slot: array}}."""
    slots = {}
    for variable in model.trainable_variables:
        layer, parameter = variable.path.split("/")[-2:]
        path = variable.path.replace("/", "_")
        slots[layer, parameter] = {
            slot.path.rpartition("_")[2]: slot.numpy()
            for slot in model.optimizer.variables
            if slot.path.endswith((f"{path}_momentum", f"{path}_velocity"))
        }
    return slots


@pytest.mark.parametrize("frozen", [(), ("conv", "a")], ids=["all", "part"])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "nesterov"])
def test_the_state_that_keras_saved_is_read_and_keras_goes_on_from_ours(keras, folder, x, name, frozen):
    model, y = trained(keras, name, frozen, x)
    model.save(folder / "keras.keras")
    stored, state = formats.read_training(folder / "keras.keras")
    assert state.optimizer == type(model.optimizer).__name__
    assert state.iterations == 9
    assert state.run == {}
    if state.learning_rate is not None:
        assert np.float32(state.learning_rate) == float(model.optimizer.learning_rate)
    expected = by_name(model)
    assert {(node.rpartition("/")[2], parameter) for node, parameter in state.slots} == set(expected)
    for (node, parameter), slots in state.slots.items():
        of_keras = expected[node.rpartition("/")[2], parameter]
        assert set(slots) == set(of_keras)
        for slot, array in slots.items():
            np.testing.assert_array_equal(array, of_keras[slot])

    formats.write_training(folder / "ours.keras", stored, state)
    again = keras.models.load_model(folder / "ours.keras")
    assert again.optimizer.get_config() | {"name": ""} == model.optimizer.get_config() | {"name": ""}
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    for ours, theirs in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=theirs.path)
    again.run_eagerly = True
    for a in (model, again):
        a.fit(x, y, epochs=2, batch_size=3, verbose=0, shuffle=False)
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6, err_msg=theirs.path)


def test_keras_goes_on_from_a_run_written_here(keras, folder, x):
    """With settings that this library gives itself: no name of a module, and only some layers trained."""
    nested(keras).save(folder / "plain.keras")
    model = xception.load_model(folder / "plain.keras")
    rng = np.random.default_rng(3)
    slots = {
        (path, name): {
            slot: rng.random(model.graph.nodes[path].parameters[name].shape, np.float32)
            for slot in ("momentum", "velocity")
        }
        for path, _, name in variables_of(model)
        if path in ("base/separable", "base/bn", "d")
    }
    config = {"name": "adam", "learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-7}
    state = TrainingState("Adam", config, 41, slots, 0.0025, "mse", None, {"epoch": 2})
    stored = formats.StoredModel(model.graph, model.parameters, model.network)
    formats.write_training(folder / "m.run.keras", stored, state)
    loaded = keras.models.load_model(folder / "m.run.keras")
    assert [v.path.split("/")[-2:] for v in loaded.trainable_variables] == [
        [path.rpartition("/")[2], name] for path, _, name in variables_of(model) if (path, name) in slots
    ]
    assert int(loaded.optimizer.iterations) == 41
    assert float(loaded.optimizer.learning_rate) == np.float32(0.0025)
    assert loaded.optimizer.beta_1 == 0.8
    for (layer, parameter), arrays in by_name(loaded).items():
        (key,) = (key for key in slots if (key[0].rpartition("/")[2], key[1]) == (layer, parameter))
        for slot, array in arrays.items():
            np.testing.assert_array_equal(array, slots[key][slot])
    before = [v.numpy() for v in loaded.non_trainable_variables if "moving" not in v.path]
    loaded.run_eagerly = True
    loaded.fit(x, np.zeros((6, 2)), epochs=1, verbose=0)
    assert int(loaded.optimizer.iterations) == 42
    after = [v.numpy() for v in loaded.non_trainable_variables if "moving" not in v.path]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_from_before_layers_were_unfrozen_is_an_error(keras, folder, x):
    """Keras 3 leaves it all out, with a warning."""
    model, _ = trained(keras, "adam", ("a",), x)
    model.get_layer("a").trainable = True
    model.save(folder / "m.keras")
    with pytest.raises(xception.errors.ModelFileError, match="Adam should have 26 arrays for the 12 var"):
        formats.read_training(folder / "m.keras")


@pytest.mark.parametrize(
    ("optimizer", "settings"), [("RMSprop", {}), ("Adam", {"amsgrad": True}), ("Adam", {"use_ema": True})]
)
def test_other_optimizers_of_keras_are_named(keras, folder, x, optimizer, settings):
    model = nested(keras)
    model.compile(getattr(keras.optimizers, optimizer)(**settings), "mse", run_eagerly=True)
    model.fit(x, np.zeros((6, 2)), verbose=0)
    model.save(folder / "m.keras")
    with pytest.raises(xception.errors.ModelFileError, match=rf"{optimizer}.* is not supported"):
        formats.read_training(folder / "m.keras")
    assert not penalties_of(xception.load_model(folder / "m.keras").graph.nodes["d"].layer)
