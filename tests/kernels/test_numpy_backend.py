"""Each backend method, compared with loops over windows and pixels."""

import itertools

import numpy as np
import pytest

from xception.kernels import NUMPY, Epilogue, Target

RNG = np.random.default_rng(0)
NAN = np.float32(np.nan)  # what no call may read, and every call must overwrite


@pytest.fixture(params=[NUMPY], ids=lambda backend: type(backend).__name__)
def backend(request):
    return request.param


def random_map(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def interior(h, w, c, border=2):
    """A map inside NaN padding: its rows lie apart in memory."""
    return np.full((h + 2 * border, w + 2 * border, c), NAN)[border : border + h, border : border + w]


def run(calls, *kinds):
    """Run prepared calls. Tests do so twice, as a plan does."""
    assert set(kinds) == {call.kind for call in calls}
    for call in calls:
        call.step()


WINDOWS = [((1, 1), (1, 1)), ((1, 1), (2, 2)), ((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 5), (3, 1))]


@pytest.mark.parametrize(("window", "strides"), WINDOWS)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("partial", [False, True])
def test_gather_lays_windows_side_by_side(backend, window, strides, padded, partial):
    (kh, kw), (sh, sw), (h, w, c) = window, strides, (4, 3, 5)
    size = (h - 1) * sh + kh + 1, (w - 1) * sw + kw + 2
    x = interior(*size, c) if padded else np.empty((*size, c), np.float32)
    left = np.full((h, w, kh, kw, 9 if partial else c), NAN)
    calls = backend.gather(x, window, strides, left[..., 2:7] if partial else left)
    for _ in range(2):
        x[...] = random_map(*size, c)
        run(calls, "gather")
        for row, column in np.ndindex(h, w):
            expected = x[row * sh : row * sh + kh, column * sw : column * sw + kw]
            np.testing.assert_array_equal((left[..., 2:7] if partial else left)[row, column], expected)
    if partial:
        assert np.isnan(left[..., :2]).all()
        assert np.isnan(left[..., 7:]).all()


@pytest.mark.parametrize("window", [(3, 3), (1, 1), (2, 5)])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("width", [1, 4])
def test_depthwise_convolves_each_channel_with_its_filter(backend, window, padded, partial, width):
    (kh, kw), (h, w, c) = window, (3, width, 5)
    size = h - 1 + kh, w - 1 + kw
    x = interior(*size, c) if padded else np.empty((*size, c), np.float32)
    kernel = random_map(kh, kw, c)
    wide = np.full((h, w, 9 if partial else c), NAN)
    out = wide[..., 2:7] if partial else wide
    scratch = np.full((h, w, c), NAN) if partial else out
    calls = backend.depthwise(x, backend.pack(kernel, w), window, out, scratch)
    for _ in range(2):
        x[...] = random_map(*size, c)
        run(calls, "gather")
        for row, column in np.ndindex(h, w):
            expected = (x[row : row + kh, column : column + kw].astype(np.float64) * kernel).sum(axis=(0, 1))
            np.testing.assert_allclose(out[row, column], expected, rtol=1e-5, atol=1e-6)
    if partial:
        assert np.isnan(wide[..., :2]).all()
        assert np.isnan(wide[..., 7:]).all()


def test_product_of_some_columns(backend):
    left, right, y = random_map(6, 4), random_map(4, 9), np.full((6, 5), NAN)
    run(backend.product(left, right[:, 2:7], y), "product")
    np.testing.assert_allclose(y, left.astype(np.float64) @ right[:, 2:7], rtol=1e-5, atol=1e-6)


def test_copy_of_overlapping_rows(backend):
    x = random_map(5, 3, 2)
    before = x.copy()
    run(backend.copy(x[2:], x[:3]), "copy")
    np.testing.assert_array_equal(x[:3], before[2:])
    np.testing.assert_array_equal(x[3:], before[3:])


@pytest.mark.parametrize(("scaled", "biased", "padded"), list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize(
    ("summed", "raw"),
    [(False, "none"), (False, "own"), (False, "parts"),
     (True, "none"), (True, "own"), (True, "parts"), (True, "residual")],
)  # fmt: skip
@pytest.mark.parametrize("active", ["none", "own", "parts"])
def test_epilogue(backend, scaled, biased, summed, padded, raw, active):
    h, w, c = 3, 4, 6
    new = interior if padded else lambda *shape: np.full(shape, NAN)
    y, given, scale, bias = np.empty((h, w, c), np.float32), random_map(h, w, c), random_map(c), random_map(c)
    residual = new(h, w, c)
    residual[...] = addend = random_map(h, w, c)
    parts = [slice(0, 2), slice(2, 6)]
    raw_targets = {
        "none": (), "own": (Target(new(h, w, c), slice(0, c)),), "residual": (Target(residual, slice(0, c)),),
        "parts": tuple(Target(new(h, w, part.stop - part.start), part) for part in parts),
    }[raw]  # fmt: skip
    active_targets = {
        "none": (), "own": (Target(new(h, w, c), slice(0, c)),),
        "parts": tuple(Target(new(h, w, part.stop - part.start), part) for part in parts),
    }[active]  # fmt: skip
    calls = backend.epilogue(
        y,
        Epilogue(
            scale=backend.pack(scale, w) if scaled else None,
            bias=backend.pack(bias, w) if biased else None,
            residual=residual if summed else None,
            raw=raw_targets,
            active=active_targets,
        ),
    )
    expected = given.astype(np.float64)
    expected = expected * scale if scaled else expected
    expected = expected + bias if biased else expected
    expected = expected + addend if summed else expected
    for _ in range(2):
        y[...], residual[...] = given, addend
        for call in calls:
            call.step()
        for target in raw_targets:
            np.testing.assert_allclose(target.array, expected[..., target.channels], rtol=1e-5, atol=1e-6)
        for target in active_targets:
            rectified = np.maximum(expected[..., target.channels], 0)
            np.testing.assert_allclose(target.array, rectified, rtol=1e-5, atol=1e-6)
        if raw in ("none", "parts"):
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    kinds = {"scale": scaled, "bias": biased, "add": summed, "relu": active != "none"}
    assert {call.kind for call in calls} - {"copy"} == {kind for kind, expected in kinds.items() if expected}


def test_epilogue_writes_to_some_channels_of_a_map(backend):
    y, wide = random_map(3, 4, 2), np.full((3, 4, 7), NAN)
    run(backend.epilogue(y, Epilogue(active=(Target(wide[..., 2:4], slice(None)),))), "relu")
    np.testing.assert_array_equal(wide[..., 2:4], np.maximum(y, 0))
    assert np.isnan(wide[..., [0, 1, 4, 5, 6]]).all()


@pytest.mark.parametrize(
    ("window", "rows", "columns"),
    [
        *itertools.product(
            [(2, 2), (3, 3), (2, 4)],
            [range(-1, 7, 2), range(6), range(-1, 2, 3), range(0, 8, 4)],
            [range(0, 6, 2), range(-1, 5), range(3, 4)],
        ),
        *itertools.product([(1, 1)], [range(7), range(0, 7, 3)], [range(0, 6, 2), range(3, 4)]),
        ((9, 8), range(-1, 1), range(-1, 0)),  # larger than the map
    ],
)
def test_max_pool_cuts_windows_off_at_the_edges(backend, window, rows, columns):
    (kh, kw), (h, w, c) = window, (7, 6, 3)
    y = np.empty((h, w, c), np.float32)
    out, scratch = np.full((len(rows), len(columns), c), NAN), np.full((len(rows), w, c), NAN)
    active = interior(len(rows), len(columns), c)
    residual = random_map(*out.shape)
    epilogue = Epilogue(residual=residual, active=(Target(active, slice(0, c)),))
    calls = backend.max_pool(y, window, rows, columns, out, scratch, epilogue)
    for _ in range(2):
        y[...] = random_map(h, w, c)
        run(calls, "pool", "add", "relu")
        for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
            inside = y[max(row, 0) : row + kh, max(column, 0) : column + kw]
            expected = inside.max(axis=(0, 1)) + residual[i, j]
            np.testing.assert_array_equal(out[i, j], expected)
            np.testing.assert_array_equal(active[i, j], np.maximum(expected, 0))
