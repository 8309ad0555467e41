"""Small models of every kind that people build around Xception."""

from dataclasses import replace

import numpy as np

from xception import Model, architecture
from xception.graph import Graph, Member, Network, flatten
from xception.layers import (
    Activation,
    Add,
    Arithmetic,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    Rescaling,
    SeparableConv2D,
    TimeDistributed,
    TrainingOnly,
)


def entry_flow(seed=0, classes=None):
    """The first four blocks of Xception at 71×71, with fresh weights: a twentieth of the whole to load."""
    graph = Graph("entry_flow")
    maps = architecture.entry_flow(graph, graph.add(Input((71, 71, 3))))
    pooled = graph.add(GlobalAveragePooling2D(), maps, name="avg_pool")
    if classes is not None:
        graph.add(Dense(classes, "softmax"), pooled, name="predictions")
    return Model(graph, seed=seed)


def base(name="base", shape=(12, 12, 3), frozen=()):
    """A block of Xception in small: a network of its own, (12, 12, 3) -> (6, 6, 8)."""
    net = Graph(name)

    def add(layer, *inputs, name=None):
        return net.add(layer, *inputs, name=name, trainable=name not in frozen)

    x = add(Input(shape))
    x = add(Conv2D(6, 3, padding="same", use_bias=False), x, name="block1_conv1")
    x = add(BatchNormalization(), x, name="block1_conv1_bn")
    x = add(Activation("relu"), x, name="block1_conv1_act")
    residual = add(Conv2D(8, 1, strides=2, padding="same", use_bias=False), x)
    residual = add(BatchNormalization(), residual)
    x = add(SeparableConv2D(8, 3, padding="same", use_bias=False), x, name="block2_sepconv1")
    x = add(BatchNormalization(), x, name="block2_sepconv1_bn")
    x = add(MaxPooling2D(3, strides=2, padding="same"), x, name="block2_pool")
    add(Add(), x, residual)
    return Network.from_graph(net)


def row(name, *layers):
    """Layers one behind the other; each a pair (name, layer)."""
    members, before = {}, None
    for called, layer in layers:
        members[called] = Member(called, layer, ((((before, 0, 0),) if before else ()),))
        before = called
    return Network(name, members, (layers[0][0],), ((before, 0, 0),), sequential=True)


def wired(name, inputs, outputs, keys=None, **members):
    """Members by name: (layer, what it reads) or (layer, what it reads at each of its uses)."""
    found = {}
    for called, (layer, *uses) in members.items():
        found[called] = Member(called, layer, tuple(tuple(map(tensor, use)) for use in uses) or ((),))
    return Network(name, found, tuple(inputs), tuple(map(tensor, outputs)), keys)


def tensor(text):
    """ "dense" is its first use's first output, "dense:1" its second use, "two/1" its second output."""
    name, _, output = text.partition("/")
    name, _, use = name.partition(":")
    return name, int(use or 0), int(output or 0)


def nested(frozen=()):
    """A base as one layer, then a head: what most people save."""
    return wired(
        "nested", ["image"], ["classes"],
        image=(Input((12, 12, 3)),),
        scaled=(Rescaling(1 / 127.5, -1.0), ["image"]),
        base=(base(frozen=frozen), ["scaled"]),
        pooled=(GlobalAveragePooling2D(), ["base"]),
        dropout=(Dropout(0.2), ["pooled"]),
        classes=(Dense(5, "softmax"), ["dropout"]),
    )  # fmt: skip


def in_a_row():
    return row(
        "sequential", ("sequential_input", Input((12, 12, 3))), ("base", base()),
        ("global_average_pooling2d", GlobalAveragePooling2D()), ("dense", Dense(4, "softmax")),
    )  # fmt: skip


def nested_twice():
    augmentation = row(
        "augmentation", ("augmentation_input", Input((12, 12, 3))),
        ("random_flip", TrainingOnly("RandomFlip", '{"mode": "horizontal", "seed": null}')),
    )  # fmt: skip
    return wired(
        "outer", ["image"], ["classes"],
        image=(Input((12, 12, 3)),), augmentation=(augmentation, ["image"]),
        inner=(nested(), ["augmentation"]),
        classes=(Dense(3), ["inner"]),
    )  # fmt: skip


def siamese():
    """One base used twice, and a dense layer used twice."""
    return wired(
        "siamese", ["left", "right"], ["same"],
        left=(Input((12, 12, 3)),), right=(Input((12, 12, 3)),),
        base=(base(), ["left"], ["right"]),
        pooled=(GlobalAveragePooling2D(), ["base"], ["base:1"]),
        dense=(Dense(4, "tanh"), ["pooled"], ["pooled:1"]),
        difference=(Arithmetic("subtract"), ["dense", "dense:1"]),
        same=(Dense(1, "sigmoid"), ["difference"]),
    )  # fmt: skip


def video():
    """A network and layers for every frame; a plain sum of frames besides them; one network used twice."""
    each = replace(base("per_frame"), frame_axes=1)
    clips = row(
        "per_clip", ("per_clip_input", Input((2, 12, 12, 3))), ("maps", replace(base("maps"), frame_axes=1)),
        ("flatten", Flatten()),
    )  # fmt: skip
    return wired(
        "video", ["frames", "clips"], ["classes"],
        frames=(Input((3, 12, 12, 3)),), clips=(Input((3, 2, 12, 12, 3)),),
        twice=(Arithmetic("multiply", 2.0), ["frames"]),
        each=(each, ["frames"], ["twice"]),
        clip=(replace(clips, frame_axes=1), ["clips"]),
        shrunk=(TimeDistributed(Conv2D(2, 3, 2)), ["each"]),
        flat=(TimeDistributed(Flatten()), ["shrunk"]),
        also=(TimeDistributed(Flatten()), ["each:1"]),
        all=(Concatenate(), ["flat", "also", "clip"]),
        dense=(TimeDistributed(Dense(3, "tanh")), ["all"]),
        together=(Flatten(), ["dense"]),
        classes=(Dense(4, "softmax"), ["together"]),
    )  # fmt: skip


def two_ends(keys=None):
    """An image and numbers enter; two answers leave. The network within has two outputs."""
    two = wired(
        "two", ["maps"], ["average", "greatest"],
        maps=(Input((6, 6, 8)),), average=(GlobalAveragePooling2D(), ["maps"]),
        greatest=(GlobalMaxPooling2D(), ["maps"]),
    )  # fmt: skip
    return wired(
        "two_ends", ["image", "numbers"], ["age", "kind"], keys,
        image=(Input((12, 12, 3)),), numbers=(Input((2,)),),
        shifted=(Arithmetic("subtract", (0.1, 0.2, 0.3)), ["image"]),
        base=(base(), ["shifted"]),
        two=(two, ["base"]),
        all=(Concatenate(), ["two", "two/1", "numbers"]),
        age=(Dense(1), ["two/1"]),
        kind=(Dense(3, "softmax"), ["all"]),
    )  # fmt: skip


EVERY = {
    "base": base, "nested": nested, "in_a_row": in_a_row, "nested_twice": nested_twice, "siamese": siamese,
    "video": video,
    "two_ends": two_ends, "two_ends_by_key": lambda: two_ends(("age", "kind")),
}  # fmt: skip


def model(network, seed=3):
    """The network with weights of which no two arrays are alike."""
    graph = flatten(network)
    rng = np.random.default_rng(seed)
    parameters = {
        node.name: {
            name: rng.uniform(0.5, 1.5, parameter.shape).astype(np.float32)
            if name in ("gamma", "moving_variance")
            else rng.normal(0, 0.5, parameter.shape).astype(np.float32)
            for name, parameter in node.parameters.items()
        }
        for node in graph.nodes.values()
        if node.parameters and node.owner == node.name
    }
    return Model(graph, parameters, network)


def entering(built, count=2):
    """Something for each of a model's inputs."""
    rng = np.random.default_rng(8)
    arrays = [
        rng.uniform(-1, 1, (count, *built.graph.nodes[name].output_shape)).astype(np.float32)
        for name in built.input_names
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def leaving(built, x=None):
    """A model's answers as a list."""
    y = built.predict(entering(built) if x is None else x, verbose=0)
    return list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]


def heads(**classes):
    """A model of one photograph with several outputs, in small."""
    members = {name: (Dense(count, "softmax"), ["pool"]) for name, count in classes.items()}
    return model(wired(
        "heads", ["image"], list(classes),
        image=(Input((8, 8, 3)),), pool=(GlobalAveragePooling2D(), ["image"]), **members,
    ))  # fmt: skip
