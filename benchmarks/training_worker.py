"""Worker process that trains: `python benchmarks/training_worker.py NAME THREADS FOLDER PART SIZE BATCH`.

NAME is one of `LOADERS`, and PART one of `PARTS`. The worker takes `WARM_UP` steps, writes the loss of the
first one, and then the milliseconds of one step for each line that it reads from stdin. For the line "memory"
it writes its peak memory in MiB, without the pixels of the batch.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from worker import peak_memory, reply_on_stdout

CLASSES, LEARNING_RATE = 5, 1e-4
WARM_UP = 2  #: in the first step, Keras traces its graph, and arrays are allocated
#: The layers that train, by the beginning of their names in Keras. The projection of block 13 has numbers.
PARTS = {"all": ("",), "exit": ("block13", "block14", "conv2d_3", "batch_normalization_3", "predictions")}
#: The same layers in timm's Xception.
PARTS_OF_TIMM = {"all": ("",), "exit": ("block12", "conv3", "bn3", "conv4", "bn4", "fc")}

Step = Callable[[], float]  #: takes a step, and returns the loss before it


def load_xception(
    folder: Path, threads: int, part: str, x: np.ndarray, y: np.ndarray, statistics: str, keeps_border: bool
) -> Step:
    import xception
    from xception.training.running.run import Batch

    xception.set_num_threads(threads)
    model = xception.Xception(weights=folder / "weights.h5", input_shape=x.shape[1:], classes=CLASSES)
    for layer in model.layers:
        layer.trainable = layer.name.startswith(PARTS[part])
    adam = xception.training.Adam(LEARNING_RATE)
    trainer = xception.training.Trainer(model, adam, "sparse_categorical_crossentropy", statistics=statistics)
    if not keeps_border:
        return lambda: trainer.train_on_batch(x, y)["loss"]
    run = trainer.setup.run()
    batch = Batch(run.border_values({model.input_names[0]: x}), y)
    return lambda: run.step(batch).loss


def load_keras(folder: Path, threads: int, part: str, x: np.ndarray, y: np.ndarray) -> Step:
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.applications.Xception(weights=None, input_shape=x.shape[1:], classes=CLASSES)
    model.load_weights(folder / "weights.h5")
    for layer in model.layers:
        layer.trainable = layer.name.startswith(PARTS[part])
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy")
    return lambda: float(model.train_on_batch(x, y))


def load_torch(folder: Path, threads: int, part: str, x: np.ndarray, y: np.ndarray) -> Step:
    """Load timm's Xception with random weights: it pads strided convolutions otherwise than Keras."""
    import timm
    import torch

    torch.set_num_threads(threads)
    model = timm.create_model("legacy_xception", num_classes=CLASSES).to(memory_format=torch.channels_last)
    for name, child in model.named_children():
        is_trained = name.startswith(PARTS_OF_TIMM[part])
        child.train(is_trained).requires_grad_(is_trained)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.Adam(trained, LEARNING_RATE)
    images = torch.from_numpy(x).permute(0, 3, 1, 2)  # a view: channels_last
    labels = torch.from_numpy(y)

    def step() -> float:
        adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        adam.step()
        return loss.item()

    return step


LOADERS: dict[str, Callable[[Path, int, str, np.ndarray, np.ndarray], Step]] = {
    "xception": partial(load_xception, statistics="frozen", keeps_border=False),
    "xception-batch": partial(load_xception, statistics="batch", keeps_border=False),
    "xception-border": partial(load_xception, statistics="frozen", keeps_border=True),
    "keras": load_keras,
    "torch": load_torch,
}


def serve(arguments: list[str], send: Callable[[object], None]) -> None:
    """Warm up, then time a step for each line on stdin."""
    name, threads, folder, part, size, count = arguments
    x = np.load(Path(folder, f"input_{size}.npy"))[: int(count)]
    y = np.arange(len(x)) % CLASSES
    step = LOADERS[name](Path(folder), int(threads), part, x, y)
    losses = [step() for _ in range(WARM_UP)]
    send(losses[0])
    for line in sys.stdin:
        if line.strip() == "memory":
            send(peak_memory() - x.nbytes / 2**20)
            continue
        start = time.perf_counter()
        step()
        send((time.perf_counter() - start) * 1e3)


if __name__ == "__main__":
    reply_on_stdout(partial(serve, sys.argv[1:]))
