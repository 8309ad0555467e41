"""Worker process of one peer: `python benchmarks/worker.py NAME THREADS FOLDER [once]`.

The worker warms up, saves its outputs in FOLDER, and reports that it is ready. For each batch size that it
reads from stdin, it then writes the milliseconds of one prediction to stdout. With `once`, it makes one
prediction and writes its peak memory. Each peer's modules are imported in its loader, because imports count.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

BATCHES = (1, 8)

Predict = Callable[[], np.ndarray]  #: makes the prediction that is timed
Bind = Callable[[np.ndarray], Predict]  #: prepares images (n, 299, 299, 3)


def load_xception(folder: Path, threads: int) -> Bind:
    import xception

    xception.set_num_threads(threads)
    model = xception.Xception(weights=folder / "weights.h5")
    return lambda x: partial(model.predict, x, verbose=0)


def load_xception_features(folder: Path, threads: int) -> Bind:
    """Load the base with the shipped weights, which are float16 in the file."""
    import xception

    xception.set_num_threads(threads)
    model = xception.Xception(include_top=False, pooling="avg", input_shape=(299, 299, 3))
    return lambda x: partial(model.predict, x, verbose=0)


def load_floor(folder: Path, threads: int, depthwise: bool = False) -> Bind:
    """Prepare only the network's matrix products, each for the whole batch, on BLAS's own threads.

    Args:
        folder: Not used.
        threads: Number of BLAS threads.
        depthwise: Add an `einsum` for each depthwise convolution. NumPy runs these on one thread.
    """
    import threadpoolctl
    from steps import depthwise_inputs, matrix_products

    import xception

    if depthwise and threads > 1:
        raise RuntimeError("measured on one thread only")
    threadpoolctl.threadpool_limits(threads, user_api="blas")
    graph = xception.Xception(weights=None, seed=0).graph
    shapes = matrix_products(graph)
    images = max(BATCHES)
    operand = np.ones(images * max(m * k for m, k, _ in shapes), np.float32)
    result = np.empty(images * max(m * n for m, _, n in shapes), np.float32)

    def bind(x: np.ndarray) -> Predict:
        calls = []
        for m, k, n in shapes:
            m *= len(x)
            a, c = operand[: m * k].reshape(m, k), result[: m * n].reshape(m, n)
            calls.append(partial(np.matmul, a, np.ones((k, n), np.float32), out=c))
        for h, w, c in depthwise_inputs(graph) * len(x) if depthwise else ():
            padded = operand[: (h + 2) * (w + 2) * c].reshape(h + 2, w + 2, c)
            row, pixel, element = padded.strides
            windows = as_strided(padded, (3, 3, h, w * c), (row, pixel, row, element))
            # The kernel is repeated along the row: see kernels/convolution.py.
            kernel = operand[: 9 * w * c].reshape(3, 3, w * c)
            out = result[: h * w * c].reshape(h, w * c)
            calls.append(partial(np.einsum, "yxhl,yxl->hl", windows, kernel, out=out))
        return lambda: [call() for call in calls][-1]

    return bind


def load_onnxruntime(folder: Path, threads: int) -> Bind:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def bind(x: np.ndarray) -> Predict:
        feed = {name: np.ascontiguousarray(x.transpose(0, 3, 1, 2))}
        return lambda: session.run(None, feed)[0]

    return bind


def load_openvino(folder: Path, threads: int) -> Bind:
    """Load a model that is compiled for each batch size: faster than one for all batch sizes."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    model = core.read_model(folder / "model.xml")

    def bind(x: np.ndarray) -> Predict:
        nchw = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        model.reshape(nchw.shape)
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        return lambda: request.infer([nchw], share_inputs=True)[0]

    return bind


def load_torch(folder: Path, threads: int, compiled: bool = False) -> Bind:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")  # deleted with the folder
    import torch

    torch.set_num_threads(threads)
    module = torch.load(folder / "model.pt", weights_only=False)
    if compiled:
        module = torch.compile(module, dynamic=False)

    def bind(x: np.ndarray) -> Predict:
        images = torch.from_numpy(x).permute(0, 3, 1, 2)  # a view: channels_last

        def predict() -> np.ndarray:
            with torch.inference_mode():
                return module(images).numpy()

        return predict

    return bind


def load_keras(folder: Path, threads: int, function: bool = False) -> Bind:
    """Load Keras's Xception, for `model.predict` or as a `tf.function`."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = tf.keras.applications.Xception(weights=None)
    model.load_weights(folder / "weights.h5")
    if not function:
        return lambda x: partial(model.predict, x, verbose=0)
    call = tf.function(partial(model, training=False))

    def bind(x: np.ndarray) -> Predict:
        images = tf.constant(x)
        return lambda: call(images).numpy()

    return bind


LOADERS: dict[str, Callable[[Path, int], Bind]] = {
    "xception": load_xception,
    "xception-features": load_xception_features,
    "floor": load_floor,
    "floor-depthwise": partial(load_floor, depthwise=True),
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
    "torch": load_torch,
    "torch-compile": partial(load_torch, compiled=True),
    "tensorflow": partial(load_keras, function=True),
    "keras": load_keras,
}


def peak_memory() -> float:
    """Return the maximum resident set size of the process, in MiB."""
    try:  # getrusage would include the parent process before exec
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            2**20 if sys.platform == "darwin" else 2**10
        )


def serve(name: str, threads: int, folder: Path, send: Callable[[object], None]) -> None:
    """Warm up, then time a prediction for each batch size on stdin."""
    x = np.load(folder / "input.npy")
    bind = LOADERS[name](folder, threads)
    predictions = {size: bind(x[:size]) for size in BATCHES}
    for predict in predictions.values():
        for _ in range(3):  # some peers still compile or tune at the second call
            y = predict()
    np.save(folder / f"output_{name}.npy", y)
    send(0)
    for line in sys.stdin:
        predictions[1]()  # wakes the threads, and refills the caches that other peers used
        start = time.perf_counter()
        predictions[int(line)]()
        send((time.perf_counter() - start) * 1e3)


def predict_once(name: str, threads: int, folder: Path, send: Callable[[object], None]) -> None:
    """Predict one image, and send the peak memory."""
    x = np.load(folder / "input.npy", mmap_mode="c")[:1]
    LOADERS[name](folder, threads)(x)()
    send(peak_memory())


def reply_on_stdout(work: Callable[[Callable[[object], None]], None]) -> None:
    """Call `work(send)`, where `send` writes a reply as a line of JSON. An error is sent in words."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr, so that stdout holds only replies

    def send(value: object) -> None:
        print(json.dumps(value), file=replies, flush=True)

    try:
        work(send)
    except Exception as error:
        text = " ".join(str(error).split()) or "no reason given"
        send(f"{type(error).__name__}: {text[:200]}")
        raise


def main() -> None:
    name, threads, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    work = predict_once if sys.argv[4:] == ["once"] else serve
    reply_on_stdout(partial(work, name, threads, folder))


if __name__ == "__main__":
    main()
