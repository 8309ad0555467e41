"""Zips as Deeplearning4j writes them, made without it, and what it answers to them."""

import json
import zipfile
from dataclasses import dataclass, field

import numpy as np

from xception.formats.dl4j.binary import LONG_SHAPE, write_array

LAYERS = "org.deeplearning4j.nn.conf.layers."
VERTICES = "org.deeplearning4j.nn.conf.graph."
PREPROCESSORS = "org.deeplearning4j.nn.conf.preprocessor."
IMPORTED = "org.deeplearning4j.preprocessors."
ACTIVATIONS = "org.nd4j.linalg.activations.impl.Activation"
LOSS = {"@class": "org.nd4j.linalg.lossfunctions.impl.LossMCXENT"}


def numbers(count):
    """Numbers between −0.5 and 0.5 that every machine computes alike."""
    return ((np.arange(count) * 7919 % 1000 - 500) / 1000).astype(np.float32)


def images(shape=(2, 8, 7, 3)):
    """An input, channels last."""
    return (numbers(int(np.prod(shape))) * 2).reshape(shape)


def activation(name, **settings):
    return {"@class": ACTIVATIONS + name, **settings}


@dataclass
class Part:
    """A vertex, and how many parameters it has."""

    vertex: dict
    count: int = 0


def layer(kind, variables=(), count=0, preprocessor=None, **settings):
    conf = {"layer": {"@class": LAYERS + kind, **settings}, "variables": list(variables)}
    return Part({"@class": f"{VERTICES}LayerVertex", "layerConf": conf, "preProcessor": preprocessor}, count)


def vertex(kind, **settings):
    return Part({"@class": VERTICES + kind, **settings})


def preprocess(kind, **settings):
    return vertex("PreprocessorVertex", preProcessor={"@class": kind, **settings})


def conv(
    inputs, outputs, kernel=(3, 3), strides=(1, 1), padding=(0, 0), mode="Truncate", name="Identity", **more
):
    return layer(
        "ConvolutionLayer", ["W", "b"], outputs * (1 + inputs * kernel[0] * kernel[1]),
        nin=inputs, nout=outputs, kernelSize=kernel, stride=strides, padding=padding, convolutionMode=mode,
        dilation=(1, 1), hasBias=True, activationFn=activation(name), cnn2dDataFormat="NCHW", **more,
    )  # fmt: skip


def deconv(kernel, strides, padding=(0, 0), mode="Truncate"):
    return layer(
        "Deconvolution2D", ["W", "b"], 4 + 3 * 4 * kernel[0] * kernel[1],
        nin=3, nout=4, kernelSize=kernel, stride=strides, padding=padding, convolutionMode=mode,
        dilation=(1, 1), hasBias=True, activationFn=activation("Identity"), cnn2dDataFormat="NCHW",
    )  # fmt: skip


def pool(kind, padding=(0, 0), mode="Truncate", **more):
    return layer(
        "SubsamplingLayer", kernelSize=(3, 3), stride=(2, 2), padding=padding, convolutionMode=mode,
        poolingType=kind, pnorm=3, eps=1e-8, dilation=(1, 1), cnn2dDataFormat="NCHW", **more,
    )  # fmt: skip


def global_pool(kind, **more):
    settings = {"pnorm": 2, "collapseDimensions": True, "poolingDimensions": (2, 3)} | more
    return layer("GlobalPoolingLayer", poolingType=kind, **settings)


def dense(inputs, outputs, preprocessor=None, name="TanH", kind="DenseLayer", **more):
    return layer(
        kind, ["W", "b"], outputs * (1 + inputs), preprocessor, nin=inputs, nout=outputs,
        activationFn=activation(name), hasBias=True, **more,
    )  # fmt: skip


FLATTEN = {
    "@class": f"{PREPROCESSORS}CnnToFeedForwardPreProcessor", "inputHeight": 6, "inputWidth": 5,
    "numChannels": 4, "format": "NCHW",
}  # fmt: skip
TO_MAPS = {
    "@class": f"{PREPROCESSORS}FeedForwardToCnnPreProcessor", "inputHeight": 3, "inputWidth": 4,
    "numChannels": 2, "format": "NCHW",
}  # fmt: skip


def with_preprocessor(part, preprocessor):
    return Part(part.vertex | {"preProcessor": preprocessor}, part.count)


def chains():
    """Networks of all kinds whose vertices follow each other: {name: [part, …]}. Each takes `images()`."""
    first = conv(3, 4)  # maps of 6×5
    cases = {f"activation {name}": [conv(3, 4, name=name)] for name in (
        "RationalTanh", "RectifiedTanh", "HardTanH", "SoftPlus", "SoftSign", "Cube", "ReLU6", "SELU", "Swish",
        "HardSigmoid", "ThresholdedReLU", "Sigmoid", "TanH", "Softmax",
    )}  # fmt: skip
    for name, settings in (
        ("ReLU", {"max": 0.6, "negativeSlope": 0.1, "threshold": 0.2}), ("LReLU", {"alpha": 0.2}),
        ("ELU", {"alpha": 0.7}), ("ThresholdedReLU", {"theta": 0.4}), ("Softmax", {}),
    ):  # fmt: skip
        part = layer("ActivationLayer", activationFn=activation(name, **settings))
        cases[f"layer {name}"] = [first, part]
    for kind in ("MAX", "AVG", "PNORM"):
        cases[f"{kind} same"] = [first, pool(kind, mode="Same", avgPoolIncludePadInDivisor=False)]
        cases[f"{kind} padded"] = [first, pool(kind, (1, 1), avgPoolIncludePadInDivisor=False)]
        cases[f"{kind} padded on two sides"] = [first, pool(kind, (1, 0), avgPoolIncludePadInDivisor=False)]
    cases["AVG same, whole window"] = [first, pool("AVG", mode="Same", avgPoolIncludePadInDivisor=True)]
    cases["AVG padded, whole window"] = [first, pool("AVG", (1, 1), avgPoolIncludePadInDivisor=True)]
    for kernel, strides, padding, mode in (
        ((3, 3), (2, 2), (0, 0), "Same"), ((4, 3), (3, 2), (0, 0), "Same"), ((1, 2), (2, 2), (0, 0), "Same"),
        ((3, 2), (2, 2), (1, 0), "Truncate"), ((2, 2), (3, 3), (0, 0), "Truncate"),
    ):  # fmt: skip
        cases[f"deconvolution {kernel} {strides} {mode}"] = [deconv(kernel, strides, padding, mode)]
    return cases | {
        "padded convolution": [conv(3, 4, (3, 5), (2, 1), (1, 2))],
        "padded convolution that is same": [conv(3, 4, (3, 5), (1, 1), (1, 2))],
        "strict": [conv(3, 4, (2, 3), (2, 2), mode="Strict")],
        "global sum": [first, global_pool("SUM")],
        "global p-norm": [first, global_pool("PNORM", pnorm=4)],
        "global mean with its axes": [first, global_pool("AVG", collapseDimensions=False)],
        "loss over channels": [first, layer("CnnLossLayer", activationFn=activation("Softmax"), lossFn=LOSS)],
        "length of everything": [first, vertex("L2NormalizeVertex", eps=1e-8)],
        "length of channels": [first, vertex("L2NormalizeVertex", eps=1e-8, dimension=[1])],
        "subset of channels": [first, vertex("SubsetVertex", **{"from": 1, "to": 2})],
        "neighbors": [first, layer(
            "LocalResponseNormalization", k=1.5, n=3.0, alpha=0.3, beta=0.6, dataFormat="NCHW",
        )],
        "permuted": [first, preprocess(f"{IMPORTED}PermutePreprocessor", permutationIndices=[2, 3, 1])],
        "reshaped": [first, preprocess(
            f"{IMPORTED}ReshapePreprocessor", inputShape=[4, 6, 5], targetShape=[5, 4, 6],
            hasMiniBatchDimension=False,
        )],
        "reshaped to a vector": [first, preprocess(
            f"{IMPORTED}ReshapePreprocessor", inputShape=[4, 6, 5], targetShape=[120],
            hasMiniBatchDimension=False,
        )],
        "a slope for each pixel": [first, layer(
            "PReLULayer", ["W"], 120, inputShape=[4, 6, 5], sharedAxes=None, nin=0, nout=0,
            activationFn=activation("Identity"),
        )],
        "to vectors and back": [first, dense(120, 24, FLATTEN), with_preprocessor(conv(2, 3), TO_MAPS)],
        "helper": [first, vertex("PoolHelperVertex"), conv(4, 2)],
        "scaled": [first, vertex("ScaleVertex", scaleFactor=0.3), vertex("ShiftVertex", shiftFactor=0.2)],
    }  # fmt: skip


@dataclass
class Zip:
    """A zip whose vertices follow each other, and what may be wrong with it."""

    parts: list
    mode: str = LONG_SHAPE
    members: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)

    def configuration(self):
        names = [f"v{number}" for number in range(len(self.parts))]
        vertices = {}
        for name, part in zip(names, self.parts, strict=True):
            conf = part.vertex.get("layerConf")
            if conf is not None:
                conf = conf | {"layer": conf["layer"] | {"layerName": name}}
                vertices[name] = part.vertex | {"layerConf": conf}
            else:
                vertices[name] = part.vertex
        order = ["in", *names]
        value = {
            "networkInputs": ["in"], "networkOutputs": names[-1:], "vertices": vertices,
            "vertexInputs": {name: [source] for source, name in zip(order, names, strict=False)},
            "topologicalOrderStr": order, "topologicalOrder": list(range(len(order))),
            "defaultConfiguration": {"optimizationAlgo": "STOCHASTIC_GRADIENT_DESCENT"},
        }  # fmt: skip
        return value | self.changes

    def write(self, path, configuration=None):
        """Write the zip; return its path."""
        count = sum(part.count for part in self.parts)
        members = {
            "configuration.json": json.dumps(configuration or self.configuration()),
            "coefficients.bin": write_array(numbers(count).reshape(1, -1), self.mode),
        } | self.members
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path
