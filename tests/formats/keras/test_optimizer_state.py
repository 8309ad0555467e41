"""The file of a run: a model with the state of its optimizer and of the run, written and read again."""

import io
import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
import small_models

import xception
from xception import formats, layers
from xception.errors import ModelFileError
from xception.formats.training_state import TrainingState

ADAM = {"name": "adam", "learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "amsgrad": False}
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
COSINE = {
    "module": "keras.optimizers.schedules", "class_name": "CosineDecay",
    "config": {"initial_learning_rate": 0.1, "decay_steps": 10}, "registered_name": None,
}  # fmt: skip
SLOTS = {"Adam": ("momentum", "velocity"), "AdamW": ("momentum", "velocity"), "SGD": ("momentum",)}
RUN = {"epoch": 3, "history": {"loss": [0.5, 0.25]}, "validation": ["ab12"], "best": None}


@pytest.fixture
def model():
    """A nested network, then frozen layers, then a classifier; class names and all."""
    model = small_models.model(small_models.nested())
    model.class_names, model.task = ["a", "b", "c", "d", "e"], "classes"
    return model


def stored_of(model):
    return formats.StoredModel(
        model.graph, model.parameters, model.network, model.class_names, model.preprocessing, model.task
    )


def state_of(model, trained, optimizer="Adam", config=ADAM, **settings):
    """A state whose numbers all differ. The order of the slots must not matter."""
    rng = np.random.default_rng(0)
    slots = {
        (node, name): {
            slot: rng.random(parameter.shape, np.float32)
            for slot in (SLOTS[optimizer] if config.get("momentum") != 0 else ())
        }
        for node in reversed(trained)
        for name, parameter in model.graph.nodes[node].parameters.items()
        if parameter.trainable
    }
    rate = settings.pop("learning_rate", None if isinstance(config["learning_rate"], dict) else 0.00025)
    return TrainingState(optimizer, config, 7, slots, rate, "mse", ["accuracy"], RUN, **settings)


def leaves(model):
    return [path for path, _ in model.network.leaves() if model.graph.nodes[path].parameters]


def assert_same_slots(a, b):
    assert set(a.slots) == set(b.slots)
    for key, slots in a.slots.items():
        assert set(slots) == set(b.slots[key])
        for name, slot in slots.items():
            np.testing.assert_array_equal(slot, b.slots[key][name], err_msg=str(key))


@pytest.mark.parametrize(
    ("optimizer", "config"),
    [("Adam", ADAM), ("AdamW", ADAM), ("SGD", SGD), ("SGD", SGD | {"momentum": 0}),
     ("Adam", ADAM | {"learning_rate": COSINE})],
)  # fmt: skip
@pytest.mark.parametrize("part", [slice(None), slice(-1, None), slice(1, None, 2)], ids=str)
def test_a_run_is_written_and_read_again(model, tmp_path, optimizer, config, part):
    trained = leaves(model)[part]
    state = state_of(model, trained, optimizer, config)
    formats.write_training(tmp_path / "m.run.keras", stored_of(model), state)
    stored, again = formats.read_training(tmp_path / "m.run.keras")
    assert_same_slots(state, again)
    assert (again.optimizer, again.iterations, again.learning_rate) == (optimizer, 7, state.learning_rate)
    assert again.config == config | ({} if state.has_schedule else {"learning_rate": 0.00025})
    assert (again.loss, again.metrics, again.run) == ("mse", ["accuracy"], RUN)
    assert (stored.class_names, stored.task) == (model.class_names, "classes")
    assert {path for path, flag in stored.network.leaf_flags().items() if flag} & set(leaves(model)) == set(
        trained
    )
    for node, arrays in model.parameters.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored.parameters[node][name], array)
    formats.write_training(tmp_path / "again.keras", stored, again)
    assert_same_slots(formats.read_training(tmp_path / "again.keras")[1], state)


def test_arrays_are_in_the_order_of_keras(model, tmp_path):
    """Steps and rate, then the slots of one variable after the other, in the order of the layers."""
    trained = leaves(model)[-2:]
    state = state_of(model, trained)
    formats.write_training(tmp_path / "m.keras", stored_of(model), state)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        compiled = json.loads(archive.read("config.json"))["compile_config"]
        arrays = h5py.File(io.BytesIO(archive.read("model.weights.h5")))["optimizer/vars"]
        assert arrays["0"].dtype == np.int64
        assert arrays["0"][()] == 7
        assert arrays["1"].dtype == np.float32
        assert arrays["1"][()] == np.float32(0.00025)
        keys = [(node, name) for node in trained for name in model.graph.nodes[node].parameters]
        keys = [key for key in keys if key in state.slots]
        expected = [state.slots[key][slot] for key in keys for slot in ("momentum", "velocity")]
        assert len(arrays) == 2 + len(expected)
        for position, array in enumerate(expected, 2):
            np.testing.assert_array_equal(arrays[str(position)][()], array)
    assert compiled["optimizer"] == {
        "module": "keras.optimizers", "class_name": "Adam", "config": ADAM | {"learning_rate": 0.00025},
        "registered_name": None,
    }  # fmt: skip


def test_the_file_of_a_run_is_a_model_file(model, tmp_path):
    formats.write_training(tmp_path / "m.run.keras", stored_of(model), state_of(model, leaves(model)))
    loaded = xception.load_model(tmp_path / "m.run.keras")
    x = np.linspace(-1, 1, 2 * 12 * 12 * 3, dtype=np.float32).reshape(2, 12, 12, 3)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    loaded.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert "compile_config" not in json.loads(archive.read("config.json"))
        assert set(json.loads(archive.read("xception.json"))) == {"version", "class_names", "task"}


def test_many_steps_are_counted_exactly(model, tmp_path):
    """As float32, 2²⁴ + 1 would be 2²⁴."""
    state = replace(state_of(model, leaves(model)), iterations=2**24 + 1)
    formats.write_training(tmp_path / "m.keras", stored_of(model), state)
    assert formats.read_training(tmp_path / "m.keras")[1].iterations == 2**24 + 1


def test_numbers_of_a_run_that_are_not_finite_are_kept(model, tmp_path):
    state = replace(state_of(model, leaves(model)), run={"best": float("inf")})
    formats.write_training(tmp_path / "m.keras", stored_of(model), state)
    assert formats.read_training(tmp_path / "m.keras")[1].run == {"best": float("inf")}


# --- what is not written ----------------------------------------------------------------------


def without_a_slot(state):
    (key, slots), *_ = state.slots.items()
    return replace(state, slots={**state.slots, key: {"momentum": slots["momentum"]}})


def transposed(state):
    slots = {key: {name: slot.T for name, slot in slots.items()} for key, slots in state.slots.items()}
    return replace(state, slots=slots)


def of_statistics(state):
    (node, _), *_ = (key for key in state.slots if key[1] == "gamma")
    return replace(state, slots={**state.slots, (node, "moving_mean"): {}})


def without_a_variable(state):
    return replace(state, slots=dict(list(state.slots.items())[1:]))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (without_a_slot, ValueError, "the slots of .* should have the shapes"),
        (transposed, ValueError, "the slots of .* should have the shapes"),
        (of_statistics, ValueError, "does not fit the model: .*moving_mean has slots, but is not trained"),
        (without_a_variable, ValueError, "does not fit the model: .* is trained, but has no slots"),
        (lambda s: replace(s, optimizer="Lion"), ValueError, "'Lion' is not supported; supported are SGD"),
        (lambda s: replace(s, config=ADAM | {"amsgrad": True}), ValueError, "amsgrad=True is not supported"),
        (lambda s: replace(s, run={"path": object()}), TypeError, "not JSON serializable"),
        (
            lambda s: replace(s, run={"a": "x" * (17 << 20)}),
            ValueError,
            "the record has 17,.* bytes; at most",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_not_written(model, tmp_path, spoil, error, message):
    path = tmp_path / "m.run.keras"
    path.write_bytes(b"as before")
    with pytest.raises(error, match=message):
        formats.write_training(path, stored_of(model), spoil(state_of(model, leaves(model))))
    assert path.read_bytes() == b"as before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_is_written_as_keras_alone(model, tmp_path):
    with pytest.raises(ValueError, match=r"m.h5: a run of training is written as .keras"):
        formats.write_training(tmp_path / "m.h5", stored_of(model), state_of(model, leaves(model)))


@pytest.mark.parametrize(
    "settings",
    [{"iterations": -1}, {"learning_rate": -0.1}, {"learning_rate": np.nan}, {"learning_rate": None}],
)
def test_a_state_has_numbers_that_can_be(model, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        replace(state_of(model, leaves(model)), **settings)


# --- what is not read -------------------------------------------------------------------------


@pytest.fixture
def run_file(tmp_path):
    row = small_models.row("row", ("x", layers.Input((3,))), ("a", layers.Dense(2)), ("b", layers.Dense(2)))
    model = small_models.model(row)
    path = tmp_path / "m.run.keras"
    formats.write_training(path, stored_of(model), state_of(model, ["a", "b"]))
    return path


def rewrite(path, config=None, record=None, arrays=None):
    """Change the JSON texts, or the arrays, of an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, change in (("config.json", config), ("xception.json", record)):
        if change is not None:
            value = json.loads(members[name])
            change(value)
            members[name] = json.dumps(value).encode()
    if arrays is not None:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            arrays(file)
        members["model.weights.h5"] = content.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def replace_array(position, value):
    def change(file):
        if position in file["optimizer/vars"]:
            del file["optimizer/vars"][position]
        file["optimizer/vars"].create_dataset(position, data=value)

    return change


def remove(name):
    def change(file):
        del file[name]

    return change


def move_out(file):
    del file["optimizer/vars/2"]
    file["optimizer/vars/2"] = h5py.ExternalLink("canary.h5", "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("optimizer"), "Adam should have 10 arrays for the 4 variables that are trainable, found 0"),
        (remove("optimizer/vars/9"), "should have 10 arrays .* found 9. Perhaps layers were frozen"),
        (remove("optimizer/vars/5"), "should have 10 arrays"),
        (replace_array("10", np.zeros(2)), "should have 10 arrays"),
        (replace_array("2", np.zeros((2, 3))), r"should have shape \(3, 2\), found \(2, 3\)"),
        (replace_array("0", [1]), r"should have shape \(\), found \(1,\)"),
        (replace_array("0", 1.5), "the number of steps should be an integer from 0 to"),
        (replace_array("0", -1), "the number of steps should be an integer from 0 to .*, found -1"),
        (replace_array("0", 2**40), "the number of steps should be an integer"),
        (replace_array("1", -0.5), "the learning rate should be a number of at least 0"),
        (replace_array("1", np.nan), "the learning rate should be a number of at least 0"),
        (replace_array("3", np.full((3, 2), np.nan)), "vars/3': the state of the optimizer holds NaN"),
        (
            replace_array("3", np.full((3, 2), -1e-9)),
            "vars/3': the velocity of Adam, a mean of squares, holds neg",
        ),
        (replace_array("2", np.zeros((3, 2), "S3")), "expected an array of numbers"),
        (replace_array("0", "seven"), "expected an array of numbers"),
        (move_out, "link|refused"),
    ],
)
def test_a_file_whose_arrays_do_not_fit_is_refused(run_file, change, message):
    rewrite(run_file, arrays=change)
    with pytest.raises(ModelFileError, match=message):
        formats.read_training(run_file)


def setting(name, value):
    return lambda config: config["compile_config"]["optimizer"].__setitem__(name, value)


def adam_with(**changed):
    return setting("config", ADAM | changed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("compile_config"), "holds no state of training: it was saved without an optimizer"),
        (lambda c: c.update(compile_config=[1]), "holds no state of training"),
        (lambda c: c["compile_config"].update(optimizer=3), "its optimizer should have a class and settings"),
        (lambda c: c["compile_config"].update(optimizer="lion"), "'lion' is not supported"),
        (setting("config", None), "its optimizer should have a class and settings"),
        (
            setting("class_name", "Lion"),
            "'Lion' is not supported; supported are SGD, Adam, AdamW",
        ),
        (setting("class_name", ["Adam"]), "is not supported"),
        (setting("class_name", {}), "is not supported"),
        (setting("module", "canary"), "not of Keras|not run"),
        (setting("registered_name", "canary>Adam"), "registered as"),
        (adam_with(use_ema=True), "the state of Adam with use_ema=True is not supported"),
        (adam_with(learning_rate=COSINE | {"module": "canary"}), "not of Keras|not run"),
        (adam_with(learning_rate=COSINE), "should have 9 arrays"),
        (setting("class_name", "SGD"), "SGD should have 2 arrays"),
        (
            lambda c: c["config"]["layers"][1]["config"].update(trainable=False),
            "for the 2 variables that are",
        ),
    ],
)
def test_a_file_whose_optimizer_does_not_fit_is_refused(run_file, change, message):
    rewrite(run_file, config=change)
    with pytest.raises(ModelFileError, match=message):
        formats.read_training(run_file)
    assert xception.load_model(run_file).count_params() == 14  # the model itself is whole


@pytest.mark.parametrize("run", [[], "x", 3])
def test_a_file_whose_run_is_no_object_is_refused(run_file, run):
    rewrite(run_file, record=lambda record: record.update(training=run))
    with pytest.raises(ModelFileError, match="'training' should be an object"):
        formats.read_training(run_file)


def test_nested_settings_of_a_hostile_file_are_refused_in_time(run_file):
    with zipfile.ZipFile(run_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xception.json"] = b'{"version": 1, "training": {"a": ' + b"[" * 10**6 + b"]" * 10**6 + b"}}"
    with zipfile.ZipFile(run_file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ModelFileError, match="is not valid JSON"):
        formats.read_training(run_file)


def test_the_rate_in_the_arrays_counts_where_it_differs_from_the_config(run_file):
    """Keras writes both, and reads the array."""
    rewrite(run_file, arrays=replace_array("1", np.float32(0.5)))
    assert formats.read_training(run_file)[1].learning_rate == 0.5


def test_the_state_needs_memory_within_the_limits(run_file):
    limits = xception.get_limits()
    try:
        xception.set_limits(max_memory_bytes=600)  # the model's arrays alone take less
        with pytest.raises(ModelFileError, match="memory"):
            formats.read_training(run_file)
    finally:
        xception.set_limits(max_memory_bytes=limits.max_memory_bytes)


def test_other_files_hold_no_state(run_file, tmp_path):
    model = xception.load_model(run_file)
    model.save_weights(tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=r"m.h5: the state of training is read from .keras files"):
        formats.read_training(tmp_path / "m.h5")
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match="holds no state of training"):
        formats.read_training(tmp_path / "m.keras")
    with pytest.raises(FileNotFoundError):
        formats.read_training(tmp_path / "none.keras")
