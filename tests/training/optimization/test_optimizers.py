"""Optimizers: Keras's rules, rates by layer, clipping, and state."""

import json

import numpy as np
import pytest

from xception.gradients.training_pass import Variable
from xception.training.optimization.flat_blocks import BLOCK_NUMBERS, gradient_norm
from xception.training.optimization.optimizers import SGD, Adam, AdamW, get_optimizer
from xception.training.optimization.schedules import CosineDecay
from xception.training.variables import Variables


def build(optimizer, *shapes, dtype=np.float64):
    """Build an optimizer for a kernel of each shape, in layers a, b, …; each has a bias of one number."""
    names = [chr(ord("a") + i) for i in range(len(shapes))]
    variables = Variables(
        [
            Variable(name, *variable)
            for name, shape in zip(names, shapes, strict=True)
            for variable in (("kernel", shape), ("bias", (1,)))
        ],
        dtype,
    )
    optimizer.build(variables)
    return variables


def take_steps(optimizer, values, gradients):
    for gradient in gradients:
        optimizer.apply(values, np.full_like(values, gradient))


def test_adam_s_first_step_is_the_rate_whatever_the_gradient():
    """Epsilon is outside the correction: at a gradient of 1e-6 the step is 0.24 of the rate, not 0.99."""
    for gradient, share in ((100.0, 1.0), (1e-2, 1.0), (1e-6, 0.24)):
        optimizer = Adam(0.5)
        variables = build(optimizer, (3,))
        take_steps(optimizer, variables.flat, [gradient])
        np.testing.assert_allclose(variables.flat, -0.5 * share, rtol=2e-3)


def test_adam_by_hand():
    optimizer, w, m, v = Adam(0.1), 1.0, 0.0, 0.0
    variables = build(optimizer, (2, 2))
    variables.flat[:] = w
    gradients = [0.3, -0.2, 0.5, 0.0, 0.1]
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    take_steps(optimizer, variables.flat, gradients)
    np.testing.assert_allclose(variables.flat, w, rtol=1e-5)
    assert optimizer.iterations == 5


def test_adamw_decays_every_variable():
    optimizer = AdamW(0.1)
    variables = build(optimizer, (2,))
    variables.flat[:] = 1
    optimizer.apply(variables.flat, np.zeros_like(variables.flat))
    np.testing.assert_allclose(variables.flat, 1 - 0.1 * 0.004, rtol=1e-12)


def test_variables_excluded_from_decay_do_not_decay():
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=["b/kernel"], var_names=["bias"])
    variables = build(optimizer, (2,), (2,))
    variables.flat[:] = 1
    optimizer.apply(variables.flat, np.zeros_like(variables.flat))
    np.testing.assert_allclose(variables.flat, [0.95, 0.95, 1, 1, 1, 1])
    assert optimizer.settings_unknown_to_keras() == ("variables excluded from weight decay",)


def test_the_rate_is_inside_the_velocity():
    """Keras: steps of 0.19 before a cut by 10, 0.181 and 0.173 after. PyTorch: 0.027 and 0.034."""
    optimizer = SGD(0.1, momentum=0.9)
    variables = build(optimizer, (1,))
    steps = []
    for rate in (0.1, 0.1, 0.01, 0.01):
        optimizer.learning_rate, before = rate, variables.flat[0]
        take_steps(optimizer, variables.flat, [1.0])
        steps.append(before - variables.flat[0])
    assert steps == pytest.approx([0.1, 0.19, 0.181, 0.1729])


def test_nesterov_steps_by_the_velocity_to_come():
    optimizer = SGD(0.1, momentum=0.9, nesterov=True)
    variables = build(optimizer, (1,))
    take_steps(optimizer, variables.flat, [1.0, 1.0])
    # Velocities 0.1 and 0.19; steps 0.9 · 0.1 + 0.1 and 0.9 · 0.19 + 0.1.
    assert variables.flat[0] == pytest.approx(-0.19 - 0.271)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_step_is_scaled_by_the_rate_of_its_layer(kind, momentum, nesterov):
    """A gradient scaled for a lower rate does nothing under Adam: the step must be scaled."""
    optimizer = SGD(0.1, momentum, nesterov) if kind is SGD else kind(0.1)
    optimizer.rates = {"b": 0.1}
    variables = build(optimizer, (2,), (2,), (2,))
    take_steps(optimizer, variables.flat, [0.5] * 10)
    moved = {node: views["kernel"] for node, views in variables.by_node.items()}
    if kind is AdamW:
        np.testing.assert_allclose(moved["b"], 0.1 * moved["a"], rtol=0.01)  # the decay is scaled too
    else:
        np.testing.assert_allclose(moved["b"], 0.1 * moved["a"], rtol=1e-9)
    np.testing.assert_array_equal(moved["c"], moved["a"])
    assert optimizer.settings_unknown_to_keras() == ("the rates of single layers",)


def test_a_rate_of_0_leaves_a_layer_as_it_is():
    optimizer = AdamW(0.1)
    optimizer.rates = {"a": 0}
    variables = build(optimizer, (2,), (2,))
    variables.flat[:] = 1
    take_steps(optimizer, variables.flat, [0.5])
    assert (variables.flat == 1).tolist() == [True] * 3 + [False] * 3


def test_rates_name_layers_that_train():
    optimizer = Adam()
    build(optimizer, (2,))
    with pytest.raises(ValueError, match="rates names 'z', which is not a node that trains"):
        optimizer.rates = {"z": 0.5}
    with pytest.raises(ValueError, match="at least 0"):
        optimizer.rates = {"a": -1}
    assert optimizer.rates == {}


def test_clipping_by_the_norm_of_each_variable():
    optimizer = SGD(1.0, clipnorm=1.0)
    variables = build(optimizer, (2,))
    optimizer.apply(variables.flat, np.array([3.0, 4.0, 0.5]))
    np.testing.assert_allclose(variables.flat, [-0.6, -0.8, -0.5])


def test_clipping_by_the_norm_of_all_variables():
    optimizer = SGD(1.0, global_clipnorm=1.0)
    variables = build(optimizer, (2,))
    optimizer.apply(variables.flat, np.array([2.0, 3.0, 6.0]))
    np.testing.assert_allclose(variables.flat, [-2 / 7, -3 / 7, -6 / 7])


def test_clipping_by_value_is_before_the_update_and_decay_is_not_clipped():
    optimizer = SGD(1.0, clipvalue=0.5, weight_decay=0.1)
    variables = build(optimizer, (2,))
    variables.flat[:] = 10
    gradient = np.array([2.0, -3.0, 0.25])
    optimizer.apply(variables.flat, gradient)
    np.testing.assert_allclose(variables.flat, [9 - 0.5, 9 + 0.5, 9 - 0.25])
    assert gradient.tolist() == [2.0, -3.0, 0.25]


def test_one_kind_of_clipping_at_a_time():
    with pytest.raises(ValueError, match="only one of clipnorm, clipvalue, global_clipnorm can be set"):
        Adam(clipnorm=1.0, clipvalue=1.0)
    with pytest.raises(ValueError, match="clipnorm must be"):
        Adam(clipnorm=0)


@pytest.mark.parametrize("settings", [{}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"clipvalue": 0.1}])
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW], ids=lambda kind: kind.__name__)
def test_blocks_and_segments_change_no_result(kind, settings):
    """Variables beyond one block, in float32, against a step of each variable by itself."""
    shapes = [(BLOCK_NUMBERS + 5,), (3, 7), (2, BLOCK_NUMBERS)]
    rng = np.random.default_rng(0)
    optimizer = kind(0.01, **settings)
    variables = build(optimizer, *shapes, dtype=np.float32)
    optimizer.rates = {"b": 0.5}
    variables.flat[:] = rng.normal(size=variables.flat.size)
    gradients = rng.normal(size=(3, variables.flat.size)).astype(np.float32)
    before = variables.flat.copy()
    for gradient in gradients:
        optimizer.apply(variables.flat, gradient)
    for node, number in (("a", 0), ("b", 2), ("c", 4)):
        part = variables.slices[number]
        scale = 1.0
        if "global_clipnorm" in settings:  # clipped by the norm of all
            scale = np.array([0.1 / np.linalg.norm(g.astype(np.float64)) for g in gradients])[:, None]
        alone = kind(
            0.01 * (0.5 if node == "b" else 1), **({} if "global_clipnorm" in settings else settings)
        )
        copy = Variables([variables.variables[number]], np.float32)
        copy.flat[:] = before[part]
        alone.build(copy)
        for gradient in (gradients[:, part] * scale).astype(np.float32):
            alone.apply(copy.flat, gradient)
        np.testing.assert_allclose(variables.flat[part], copy.flat, rtol=1e-5, atol=1e-6)
    assert variables.flat.dtype == np.float32


def test_the_norm_of_a_gradient():
    gradient = np.full(BLOCK_NUMBERS * 3 + 1, 2, np.float32)
    assert gradient_norm(gradient) == pytest.approx(2 * np.sqrt(gradient.size), rel=1e-6)
    gradient[-1] = np.inf
    assert gradient_norm(gradient) == np.inf
    gradient[0] = np.nan
    assert np.isnan(gradient_norm(gradient))


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.1), AdamW(0.1)],
    ids=["SGD", "momentum", "Adam", "AdamW"],
)
def test_a_restored_optimizer_goes_on_to_the_same_bits(optimizer):
    gradients = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    variables = build(optimizer, (2, 2), dtype=np.float32)
    for gradient in gradients[:3]:
        optimizer.apply(variables.flat, gradient)
    resumed = type(optimizer).from_config(json.loads(json.dumps(optimizer.get_config())))
    copy = build(resumed, (2, 2), dtype=np.float32)
    copy.flat[:] = variables.flat
    resumed.restore(
        optimizer.iterations, [{k: v.copy() for k, v in s.items()} for s in optimizer.slots_by_variable()]
    )
    for gradient in gradients[3:]:
        optimizer.apply(variables.flat, gradient)
        resumed.apply(copy.flat, gradient)
    assert copy.flat.tobytes() == variables.flat.tobytes()


def test_slots_that_do_not_fit_change_nothing():
    optimizer = Adam()
    variables = build(optimizer, (2,))
    take_steps(optimizer, variables.flat, [1.0])
    before = {name: slot.copy() for name, slot in optimizer.slots.items()}
    slots = optimizer.slots_by_variable()
    for wrong, message in (
        (slots[:1], "the state is of 1 variables, but 2 train here"),
        ([slots[0], {"momentum": np.zeros(1)}], "the state of a/bias does not fit"),
        ([slots[0], {"momentum": np.zeros(1), "velocity": np.zeros(2)}], "the state of a/bias does not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.restore(7, wrong)
    assert optimizer.iterations == 1
    for name, slot in before.items():
        np.testing.assert_array_equal(optimizer.slots[name], slot)


def test_slots_are_as_keras_names_them():
    for optimizer, names in (
        (SGD(), []),
        (SGD(momentum=0.5), ["momentum"]),
        (Adam(), ["momentum", "velocity"]),
    ):
        build(optimizer, (2, 3))
        assert list(optimizer.slots) == names
        assert [list(slots) for slots in optimizer.slots_by_variable()] == [names, names]
    assert optimizer.slots_by_variable()[0]["momentum"].shape == (2, 3)


def test_a_schedule_follows_the_steps_and_cannot_be_overruled():
    optimizer = SGD(CosineDecay(0.0, 4, warmup_target=1.0, warmup_steps=2))
    variables = build(optimizer, (1,))
    steps = []
    for _ in range(7):
        before = variables.flat[0]
        take_steps(optimizer, variables.flat, [1.0])
        steps.append(before - variables.flat[0])
    assert steps == pytest.approx([0, 0.5, 1, 0.5 + 0.5 / np.sqrt(2), 0.5, 0.5 - 0.5 / np.sqrt(2), 0])
    with pytest.raises(TypeError, match="given by CosineDecay and cannot be set"):
        optimizer.learning_rate = 0.1
    assert SGD.from_config(optimizer.get_config()).schedule == optimizer.schedule


def test_defaults_are_keras_s():
    assert (SGD().learning_rate, SGD().momentum, SGD().nesterov) == (0.01, 0.0, False)
    adam = Adam()
    assert (adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    assert (adam.weight_decay, AdamW().weight_decay) == (None, 0.004)


def test_optimizers_have_keras_s_names():
    assert isinstance(get_optimizer("adam"), Adam)
    assert isinstance(get_optimizer("AdamW"), AdamW)
    assert get_optimizer({"class_name": "SGD", "config": {"momentum": 0.9}}).momentum == 0.9
    with pytest.raises(ValueError, match=r"no optimizer is called 'adamm'; expected .*; did you mean 'adam'"):
        get_optimizer("adamm")
    with pytest.raises(TypeError, match="optimizer: expected a name"):
        get_optimizer(0.1)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        (Adam, {"amsgrad": True}, "Adam has no amsgrad here"),
        (Adam, {"use_ema": True}, "Adam has no use_ema here"),
        (SGD, {"gradient_accumulation_steps": 4}, "no gradient_accumulation_steps here"),
        (SGD, {"beta_1": 0.9}, "SGD: .*beta_1"),
        (SGD, {"nesterov": "false"}, "nesterov must be True or False"),
        (SGD, {"name": {}}, "name must be a string"),
        (SGD, {"clipnorm": "1"}, "clipnorm must be a number"),
        (SGD, {"momentum": 2.0}, "momentum must be from 0.* to 1"),
        (Adam, {"beta_1": 1.0}, "beta_1 must be"),
        (Adam, {"learning_rate": -1.0}, "learning_rate must be at least 0"),
        (Adam, {"learning_rate": {"class_name": "Linear", "config": {}}}, "no schedule is called 'Linear'"),
    ],
)
def test_settings_that_cannot_be_used_are_named(kind, config, message):
    with pytest.raises(ValueError, match=message):
        kind.from_config(config)


def test_a_gradient_of_another_size_is_refused():
    optimizer = Adam()
    with pytest.raises(RuntimeError, match="call build"):
        optimizer.apply(np.zeros(3), np.zeros(3))
    variables = build(optimizer, (2,))
    with pytest.raises(ValueError, match="gradient must be 3 numbers of float64"):
        optimizer.apply(variables.flat, np.zeros(2))
    with pytest.raises(ValueError, match="values must be 3 numbers of float64"):
        optimizer.apply(variables.flat.astype(np.float32), np.zeros(3))
    assert optimizer.iterations == 0


def test_variables_that_begin_later_get_the_same_first_steps_as_others():
    """Adam's first step is as long as the learning rate, whenever a variable begins to train."""
    rng = np.random.default_rng(0)
    variables = Variables([Variable("old", "kernel", (3,)), Variable("new", "kernel", (3,))])
    alone = Variables([Variable("old", "kernel", (3,))])
    optimizer, reference = Adam(0.1), Adam(0.1)
    reference.build(alone)
    for _ in range(5):
        reference.apply(alone.flat, rng.normal(size=3).astype(np.float32))
    optimizer.build(variables)
    variables.flat[:3] = alone.flat
    for name, slot in optimizer.slots.items():
        slot[:3] = reference.slots[name]
    optimizer.ages = {"old": 5}
    for step in range(3):
        g = rng.normal(size=3).astype(np.float32)
        before = variables.flat.copy()
        optimizer.apply(variables.flat, np.concatenate([g, g]))
        reference.apply(alone.flat, g)
        np.testing.assert_allclose(variables.flat[:3], alone.flat, rtol=1e-6)
        if not step:
            np.testing.assert_allclose(before[3:] - variables.flat[3:], 0.1 * np.sign(g), rtol=1e-3)
    assert "ages of layers" in optimizer.settings_unknown_to_keras()
    with pytest.raises(ValueError, match="ages names 'other'"):
        optimizer.ages = {"other": 1}
