"""The plan of a graph with frames: the plain pass on every frame, and what it may take."""

import pickle
import re

import numpy as np
import pytest
import small_models

import xception
from xception import layers
from xception.engine.frames import FramePlan, make_plan
from xception.engine.plan import Plan
from xception.errors import LimitError


@pytest.fixture
def built():
    return small_models.model(small_models.video())


@pytest.fixture
def x(built):
    return dict(zip(built.input_names, small_models.entering(built, 3), strict=True))


@pytest.fixture(autouse=True)
def _default_limits():
    before = xception.get_limits()
    yield
    xception.set_limits(max_memory_bytes=before.max_memory_bytes, max_operations=before.max_operations)


@pytest.mark.parametrize("threads", [1, 2])
def test_activations_agree_with_the_plain_pass(built, x, threads):
    xception.set_num_threads(threads)
    names = [name for name in built.graph.nodes if name not in x]
    plain = built.graph.evaluate(built.parameters, x, names)
    for count in (1, 3):
        y = built.plan.run({name: array[:count] for name, array in x.items()}, names)
        assert list(y) == names
        for name in names:
            assert y[name].shape == plain[name][:count].shape
            np.testing.assert_allclose(y[name], plain[name][:count], rtol=1e-4, atol=1e-5)


def test_frames_are_computed_as_a_batch(built, x):
    """A network of the same layers for images, on one frame at a time."""
    image = small_models.model(small_models.base())
    image.set_weights(built.get_layer("each").get_weights())
    y = built.predict(x, verbose=0)
    maps = built.activations(x, "each")["each"]
    for i in range(3):
        np.testing.assert_allclose(maps[:, i], image.predict(x["frames"][:, i]), rtol=1e-5, atol=1e-6)
    assert y.shape == (3, 4)


def test_only_needed_parts_run(built, x):
    plan = built.plan
    plan.run(x, ["each/block1_conv1"])
    assert plan.cached_keys == 1
    assert isinstance(plan, FramePlan)
    plan.release()
    assert plan.cached_keys == plan.reserved_bytes == 0


def test_an_ordinary_graph_has_an_ordinary_plan(built):
    base = small_models.model(small_models.nested())
    assert type(make_plan(base.graph, base.parameters)) is type(base.plan) is Plan
    assert type(make_plan(built.graph, built.parameters)) is type(built.plan) is FramePlan


def test_a_copy_computes_the_same(built, x):
    copy = pickle.loads(pickle.dumps(built))
    np.testing.assert_array_equal(copy.predict(x, verbose=0), built.predict(x, verbose=0))


def test_no_videos_and_videos_without_frames():
    each = small_models.replace(small_models.base(), frame_axes=1)
    built = small_models.model(
        small_models.wired(
            "each", ["x"], ["each"], x=(small_models.Input((None, 12, 12, 3)),), each=(each, ["x"])
        )
    )
    assert built.predict(np.zeros((0, 3, 12, 12, 3))).shape == (0, 3, 6, 6, 8)
    with pytest.raises(ValueError, match="at least 1 each way"):
        built.predict(np.zeros((2, 0, 12, 12, 3)))


def test_the_figure_of_a_refusal_suffices(built, x):
    expected = built.predict(x, verbose=0)
    xception.set_num_threads(2)
    built.plan.release()
    xception.set_limits(max_memory_bytes=1000)
    needed = 1000
    for _ in range(20):  # each part names its own figure
        try:
            xception.set_limits(max_memory_bytes=needed)
            y = built.plan.run(x)
            break
        except LimitError as error:
            figure = int(re.search(r"set_limits\(max_memory_bytes=(\d+)\)", str(error))[1])
            assert figure > needed
            needed = figure
    np.testing.assert_allclose(y["classes"], expected, rtol=1e-5, atol=1e-6)


def test_the_work_for_a_video_is_limited(built, x):
    frame = small_models.model(small_models.base())
    for limit, is_enough in ((10**9, True), (10**6, False)):
        xception.set_limits(max_operations=limit)
        if is_enough:
            frame.predict(x["frames"][:, 0])
            built.predict(x, verbose=0)
        else:
            with pytest.raises(LimitError, match="operations for one example, most of them in"):
                built.predict(x, verbose=0)


def test_batches_are_smaller_where_videos_are_long(built):
    shapes = tuple(built.graph.nodes[name].output_shape for name in built.graph.inputs)
    xception.set_limits(max_memory_bytes=4 * 10 * 4 * 12 * 12 * 3 * 9)  # ten videos and clips as inputs alone
    assert 1 <= built.plan.examples_at_once(built.graph.outputs, shapes, 32) < 10


def test_each_frame_may_take_the_work_of_an_image():
    network = small_models.row(
        "row", ("frames", layers.Input((4, 32, 32, 3))),
        ("maps", layers.TimeDistributed(layers.Conv2D(8, 3))),
    )  # fmt: skip
    model = small_models.model(network)
    x = np.zeros((1, 4, 32, 32, 3), np.float32)
    alone = model.graph.nodes["maps"].layer.cost((4, 32, 32, 3)).operations
    xception.set_limits(max_operations=alone // 3)
    model.predict(x, verbose=0)
    xception.set_limits(max_operations=alone // 5)
    with pytest.raises(LimitError, match="operations for one frame, most of them in maps"):
        model.predict(x, verbose=0)
