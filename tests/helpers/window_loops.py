"""Reference computations over windows, by plain loops that are easy to verify."""

import itertools

import numpy as np

from xception.kernels import same_padding

#: (window, strides, padding, size of the input)
GEOMETRY = [
    (window, strides, padding, size)
    for window in ((1, 1), (3, 3), (2, 5))
    for strides in ((1, 1), (2, 2), (3, 1), (1, 2))
    for padding in ("same", "valid")
    for size in ((7, 9), (8, 6))
]


def windows_of(image, window, strides, padding, fill=0.0):
    """Return every window of an image (h, w, c): {(row, column): (kh, kw, c)}."""
    (kh, kw), (sh, sw) = window, strides
    if padding == "same":
        border = (same_padding(image.shape[0], kh, sh), same_padding(image.shape[1], kw, sw), (0, 0))
        image = np.pad(image, border, constant_values=fill)
    rows = range(0, image.shape[0] - kh + 1, sh)
    columns = range(0, image.shape[1] - kw + 1, sw)
    return {
        (r, c): image[row : row + kh, column : column + kw]
        for (r, row), (c, column) in itertools.product(enumerate(rows), enumerate(columns))
    }


def map_windows(function, x, window, strides, padding, fill=0.0):
    """Apply a function of one window to all of them: (n, h, w, c) -> (n, oh, ow, outputs)."""
    images = []
    for image in x:
        windows = windows_of(image, window, strides, padding, fill)
        oh, ow = (max(position[axis] for position in windows) + 1 for axis in (0, 1))
        values = [function(windows[position]) for position in itertools.product(range(oh), range(ow))]
        images.append(np.array(values).reshape(oh, ow, -1))
    return np.array(images)
