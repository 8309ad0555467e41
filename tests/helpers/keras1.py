"""Write weights in the layout in which Keras published Xception in 2016.

Tests cannot download the real files. This writes the same groups, datasets and attributes from known
weights: every layer is numbered in the order in which Keras's script creates it, and the variance is
called `running_std`.
"""

import h5py
import numpy as np

STEMS = {
    "Input": "input", "Conv2D": "convolution2d", "SeparableConv2D": "separableconvolution2d",
    "BatchNormalization": "batchnormalization", "Activation": "activation", "Add": "merge",
    "MaxPooling2D": "maxpooling2d", "GlobalAveragePooling2D": "globalaveragepooling2d", "Dense": "dense",
}  # fmt: skip
SUFFIXES = {
    "kernel": "W", "bias": "b", "gamma": "gamma", "beta": "beta", "moving_mean": "running_mean",
    "moving_variance": "running_std", "depthwise_kernel": "depthwise_kernel",
    "pointwise_kernel": "pointwise_kernel",
}  # fmt: skip


def write(path, model, first=1):
    """Write the weights of a model. Numbers count from `first`, those of the classifier from 2."""
    graph = model.graph
    groups, counters = {}, {"dense": 2}
    for node in graph.nodes.values():  # the order of creation
        stem = STEMS[node.kind]
        number = counters.get(stem, first)
        counters[stem] = number + 1
        groups[node.name] = f"{stem}_{number}"
    with h5py.File(path, "w") as file:
        built = [groups[node.name] for node in graph.topological_order()]
        file.attrs["layer_names"] = np.array([name.encode() for name in built])
        for node in graph.topological_order():
            name = groups[node.name]
            group = file.create_group(name)
            arrays = {
                f"{name}_{SUFFIXES[key]}:0": array
                for key, array in model.parameters.get(node.name, {}).items()
            }
            group.attrs["weight_names"] = np.array([key.encode() for key in arrays], dtype="S")
            for key, array in arrays.items():
                group[key] = array
    return groups
