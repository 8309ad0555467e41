"""Fine-tuning of a small network on small photographs of stripes."""

import signal
import warnings

import numpy as np

import xception
from xception.layers import BatchNormalization, Conv2D, Dropout, GlobalAveragePooling2D, Input, ReLU
from xception.training.fine_tuning.loop import Loop

SIZE = 12


def small_base(dropout=0.0):
    """Two convolutions with normalization, which take −1…1, and give a vector."""
    net = xception.Graph("small")
    x = net.add(Input((SIZE, SIZE, 3)))
    for filters, name in ((6, "first"), (8, "second")):
        x = net.add(Conv2D(filters, 3, use_bias=False), x, name=name)
        x = net.add(BatchNormalization(), x, name=f"{name}_bn")
        x = net.add(ReLU(), x, name=f"{name}_relu")
    x = net.add(GlobalAveragePooling2D(), x)
    if dropout:
        net.add(Dropout(dropout), x)
    return xception.Model(net, seed=3)


def stripes(count, seed=0):
    """Photographs of upright and of level stripes in noise: pixels (n, 12, 12, 3), and their names."""
    rng = np.random.default_rng(seed)
    names = np.array(["level", "upright"])[np.arange(count) % 2]
    wave = 60 * np.sin(np.arange(SIZE) * 2.1)
    pixels = rng.normal(128, 50, (count, SIZE, SIZE, 3))
    for image, name in zip(pixels, names, strict=True):
        image += (wave[:, None, None] if name == "level" else wave[None, :, None]) * rng.uniform(0.3, 1)
    return np.clip(pixels, 0, 255).astype(np.uint8), names.tolist()


PIXELS, NAMES = stripes(60)


def tune(labels=NAMES, pixels=PIXELS, dropout=0.0, **options):
    settings = {"train": "all", "epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "verbose": 0, "seed": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few photographs
        return xception.fine_tune(pixels, labels, small_base(dropout), **{**settings, **options})


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def interrupt_after(monkeypatch, batches):
    """Press Ctrl-C after so many batches."""
    count, original = iter(range(1, 10_000)), Loop._count

    def counted(self, *arguments):
        original(self, *arguments)
        if next(count) == batches:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_count", counted)


def resume(folder, labels=NAMES, pixels=PIXELS, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xception.fine_tune(
            pixels, labels, task="regression" if isinstance(labels, dict) else "classes",
            resume=folder / "part.run.keras", verbose=0, **options,
        )  # fmt: skip
