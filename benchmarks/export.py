"""Export of Xception to ONNX, OpenVINO and PyTorch: `python benchmarks/export.py onnx|openvino|torch FOLDER`.

Reads FOLDER/weights.h5 and writes FOLDER/model.*, node by node from this library's graph. It supports the
layers that Xception has. Feature maps become (n, c, h, w), as ONNX and PyTorch expect them, and TensorFlow's
'same' padding becomes explicit padding. Batch normalization is not folded: each peer does that itself.
"""

import operator
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import xception
from xception.graph import Graph, GraphParameters, Node
from xception.kernels import Array, same_padding
from xception.layers import pair


@dataclass
class Convolution:
    """An ordinary or grouped convolution. A separable convolution is two of them."""

    name: str
    kernel: Array  #: (filters, c / groups, kh, kw)
    strides: tuple[int, int]
    pads: tuple[int, ...]
    groups: int = 1


def convolutions(graph: Graph, node: Node, weights: dict[str, Array]) -> Iterator[Convolution]:
    """Yield the parts of a Conv2D or SeparableConv2D with depth multiplier 1 and no bias."""
    strides, pads = pair(node.layer.strides), pads_of(graph, node, node.layer.kernel_size)
    if node.kind == "Conv2D":
        yield Convolution(node.name, weights["kernel"].transpose(3, 2, 0, 1), strides, pads)
        return
    depthwise = weights["depthwise_kernel"].transpose(2, 3, 0, 1)  # (c, 1, kh, kw)
    yield Convolution(f"{node.name}_depthwise", depthwise, strides, pads, len(depthwise))
    yield Convolution(node.name, weights["pointwise_kernel"].transpose(3, 2, 0, 1), (1, 1), (0, 0, 0, 0))


def pads_of(graph: Graph, node: Node, window: int | tuple[int, int]) -> tuple[int, ...]:
    """Return the padding (top, left, bottom, right), in ONNX's order."""
    if node.layer.padding == "valid":
        return (0, 0, 0, 0)
    sizes = graph.nodes[node.inputs[0]].output_shape[:2]
    axes = zip(sizes, pair(window), pair(node.layer.strides), strict=True)
    (top, bottom), (left, right) = (same_padding(*axis) for axis in axes)
    return (top, left, bottom, right)


def to_onnx(graph: Graph, parameters: GraphParameters, path: Path) -> None:
    """Write an ONNX file with a free batch dimension."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, tensors = [], []

    def add(op: str, name: str, inputs: list[str], arrays: dict[str, Array] | None = None, **attributes):
        """Add a node, and its constants, which are named after it."""
        for key, array in (arrays or {}).items():
            tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name}.{key}"))
        inputs = [*inputs, *(f"{name}.{key}" for key in arrays or {})]
        nodes.append(helper.make_node(op, inputs, [name], name, **attributes))

    for node in graph.nodes.values():
        layer, weights, inputs = node.layer, parameters.get(node.name, {}), list(node.inputs)
        match node.kind:
            case "Conv2D" | "SeparableConv2D":
                for part in convolutions(graph, node, weights):
                    add("Conv", part.name, inputs, {"kernel": part.kernel}, strides=part.strides,
                        pads=part.pads, group=part.groups, kernel_shape=part.kernel.shape[2:])  # fmt: skip
                    inputs = [part.name]
            case "BatchNormalization":
                add("BatchNormalization", node.name, inputs, weights, epsilon=layer.epsilon)
            case "Activation":
                add("Relu", node.name, inputs)
            case "Add":
                add("Add", node.name, inputs)
            case "MaxPooling2D":
                window, strides = layer.geometry
                add("MaxPool", node.name, inputs, kernel_shape=window, strides=strides,
                    pads=pads_of(graph, node, window))  # fmt: skip
            case "GlobalAveragePooling2D":
                add("GlobalAveragePool", f"{node.name}_map", inputs)
                add("Flatten", node.name, [f"{node.name}_map"])
            case "Dense":
                add("Gemm", f"{node.name}_logits", inputs, weights)
                add("Softmax", node.name, [f"{node.name}_logits"], axis=-1)
    h, w, c = graph.nodes[graph.inputs[0]].output_shape
    (output,) = graph.outputs
    x = helper.make_tensor_value_info(graph.inputs[0], onnx.TensorProto.FLOAT, ["n", c, h, w])
    y = helper.make_tensor_value_info(
        output, onnx.TensorProto.FLOAT, ["n", *graph.nodes[output].output_shape]
    )
    model = helper.make_model(
        helper.make_graph(nodes, graph.name, [x], [y], tensors),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(model)
    onnx.save(model, path)


def to_torch(graph: Graph, parameters: GraphParameters):
    """Return a torch.fx.GraphModule: straight-line code that frees each activation after its last use."""
    import torch
    from torch import fx, nn

    modules, program, values = {}, fx.Graph(), {}

    def add(name: str, module: nn.Module, source: fx.Node, **arrays: Array) -> fx.Node:
        """Add a module, with these arrays as its parameters."""
        state = {key: torch.from_numpy(np.array(array, order="C")) for key, array in arrays.items()}
        module.load_state_dict(state, strict=False)
        modules[name] = module
        return program.call_module(name, (source,))

    for node in graph.nodes.values():
        layer, weights, name = node.layer, parameters.get(node.name, {}), node.name
        inputs = [values[source] for source in node.inputs]
        y = inputs[0] if inputs else program.placeholder("x")
        match node.kind:
            case "Conv2D" | "SeparableConv2D":
                for part in convolutions(graph, node, weights):
                    filters, channels, *window = part.kernel.shape
                    assert part.pads[:2] == part.pads[2:], "asymmetric padding would need a separate layer"
                    module = nn.Conv2d(channels * part.groups, filters, window, part.strides, part.pads[:2],
                                       groups=part.groups, bias=False)  # fmt: skip
                    y = add(part.name, module, y, weight=part.kernel)
            case "BatchNormalization":
                module = nn.BatchNorm2d(node.output_shape[-1], eps=layer.epsilon)
                names = ("weight", "bias", "running_mean", "running_var")  # in Keras's order
                y = add(name, module, y, **dict(zip(names, weights.values(), strict=True)))
            case "Activation":
                y = add(name, nn.ReLU(), y)
            case "Add":
                y = program.call_function(operator.add, tuple(inputs))
            case "MaxPooling2D":
                window, strides = layer.geometry
                top, left, bottom, right = pads_of(graph, node, window)
                if (top, left) != (bottom, right):
                    y = add(f"{name}_pad", nn.ConstantPad2d((left, right, top, bottom), -np.inf), y)
                    top = left = 0
                y = add(name, nn.MaxPool2d(window, strides, (top, left)), y)
            case "GlobalAveragePooling2D":
                y = add(f"{name}_map", nn.AdaptiveAvgPool2d(1), y)
                y = add(name, nn.Flatten(), y)
            case "Dense":
                kernel = weights["kernel"]
                y = add(f"{name}_logits", nn.Linear(*kernel.shape), y, weight=kernel.T, bias=weights["bias"])
                y = add(name, nn.Softmax(-1), y)
        values[name] = y
    program.output(y)
    module = fx.GraphModule(modules, program, graph.name)
    return module.eval().to(memory_format=torch.channels_last)


def main(target: str, folder: Path) -> None:
    if target == "openvino":
        import openvino

        converted = openvino.convert_model(folder / "model.onnx")
        openvino.save_model(converted, folder / "model.xml", compress_to_fp16=False)
        return
    model = xception.Xception(weights=folder / "weights.h5")
    if target == "onnx":
        to_onnx(model.graph, model.parameters, folder / "model.onnx")
    else:
        import torch

        torch.save(to_torch(model.graph, model.parameters), folder / "model.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
