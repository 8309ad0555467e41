"""What this library is compared with."""

from dataclasses import dataclass

OURS, FEATURES = "xception", "xception-features"


@dataclass(frozen=True)
class Peer:
    """What is compared.

    Attributes:
        title: Its name in the tables.
        cold_format: Format of the weights for a cold start; "" if its cold start is not measured.
        exports: Targets of export.py that it needs.
        packages: Alternative names of its package. The first that is installed is used.
    """

    title: str
    cold_format: str = ""
    exports: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


PEERS = {
    OURS: Peer("**this library**", "Keras .h5"),
    FEATURES: Peer("**this library**, features", "shipped float16 base"),
    "floor": Peer("*the floor*: matrix products only"),
    "floor-depthwise": Peer("*NumPy's floor*: with depthwise convolutions"),
    "onnxruntime": Peer("ONNX Runtime", ".onnx", ("onnx",), ("onnxruntime",)),
    "openvino": Peer("OpenVINO", "IR, .xml and .bin", ("onnx", "openvino"), ("openvino",)),
    "torch": Peer("PyTorch eager, channels_last", "torch.save", ("torch",), ("torch",)),
    "torch-compile": Peer("PyTorch torch.compile", "", ("torch",)),
    "tensorflow": Peer("TensorFlow tf.function", "", (), ("tensorflow-cpu", "tensorflow")),
    "keras": Peer("Keras model.predict", "Keras .h5"),
}
