"""A layer's class and settings, as Keras 1, 2 and 3 write them, to a layer of this library.

Only the classes listed here are known, and only plain values are taken from a file: nothing is
imported, looked up or called by a name that stands in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ... import layers
from ...layers import TRAINING_ONLY, Arithmetic, Layer, TrainingOnly


@functools.cache
def known() -> dict[str, type[Layer]]:
    """The layers that are read, by their names in a file: what a model is made of around Xception."""
    everything = {name: getattr(layers, name) for name in layers.__all__}
    apart = (Layer, TrainingOnly, Arithmetic, layers.Input)
    return {
        name: found
        for name, found in everything.items()
        if isinstance(found, type) and issubclass(found, Layer) and found not in apart
    }


#: What Keras 1 called them, and Keras 2 here and there.
OLD_CLASSES = {
    "Convolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "DepthwiseConvolution2D": "DepthwiseConv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Deconvolution2D": "Conv2DTranspose",
    "MaxPool2D": "MaxPooling2D",
    "AvgPool2D": "AveragePooling2D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}

OLD_SETTINGS = {
    "nb_filter": "filters",
    "output_dim": "units",
    "subsample": "strides",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "bias": "use_bias",
    "p": "rate",
    "alpha": "negative_slope",  # only of leaky rectifiers, see _modern
}

#: Settings that matter to training, to naming, or to other kinds of memory. Any value will do.
IRRELEVANT = frozenset(
    {"name", "trainable", "dtype", "seed", "noise_shape", "momentum", "renorm_momentum", "fused", "sparse",
     "ragged", "autocast", "synchronized", "batch_input_shape", "batch_shape", "input_shape", "input_dim",
     "build_config", "init", "activity_regularizer", "input_dtype", "optional", "batch_size",
     "implementation", "zero_output_for_mask"}
)  # fmt: skip
IRRELEVANT_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_init")

MOST_AXES = 31  #: axes of an array, beside the batch's

#: Settings that some layers have without a choice.
WITHOUT_EFFECT = (("groups", 1), ("dilation_rate", [1, 1]), ("dilation_rate", 1), ("depth_multiplier", 1))

OUR_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "tensorflow.python.layers",
               "keras_core")  # fmt: skip

#: Names of functions that are the same as an activation of another name.
SAME_ACTIVATION = {
    "softmax_v2": "softmax",
    "log_softmax_v2": "log_softmax",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "relu_v2": "relu",
}


def read_layer(class_name: str, config: Mapping[str, Any], keras: int) -> Layer:
    """The layer of a class with these settings. keras: which Keras wrote them, 1, 2 or 3.

    Raises ValueError for classes that are not known, and settings that are not understood.
    """
    name = OLD_CLASSES.get(class_name, class_name)
    check_dtype(config.get("dtype"))
    if name in TRAINING_ONLY:
        return TrainingOnly(name, json.dumps(config))
    if name not in known():
        raise ValueError(unknown(class_name))
    found = known()[name]
    taken = {field.name for field in fields(found)}  # type: ignore[arg-type]
    settings: dict[str, Any] = {}
    for key, value in _modern(config, taken).items():
        if key == "data_format" and value in ("channels_first", "th"):
            raise ValueError(
                "is channels_first: its maps are (channels, height, width). Models that put channels last "
                "are read; Keras can convert: build the same model with channels_last, and set its weights"
            )
        if isinstance(value, list) and len(value) > MOST_AXES and key in ("target_shape", "dims"):
            raise ValueError(f"its setting {key} lists {len(value):,} axes; at most {MOST_AXES} are known")
        if key in taken:
            settings[key] = plain_numbers(value)
        elif key in IRRELEVANT or key.endswith(IRRELEVANT_ENDINGS) or key == "data_format":
            continue
        elif key == "lora_rank" and value:
            raise ValueError(
                "is a dense layer with an adapter (LoRA); merge it into the kernel, and save again"
            )
        elif value and (key, value) not in WITHOUT_EFFECT:
            raise ValueError(f"its setting {key} = {value!r} is not known here")
    for key in ("activation", "recurrent_activation"):
        if key in settings:
            settings[key] = read_activation(settings[key], keras)
    return found(**settings)


def read_activation(value: Any, keras: int) -> str | Layer:
    """A name, or the layer that stands for it, from any of the ways in which Keras writes one."""
    if value is None:
        return "linear"
    if isinstance(value, Mapping):
        class_name, config = value.get("class_name"), value.get("config")
        check_origin(value)
        if class_name != "function":
            if not isinstance(config, Mapping):
                raise ValueError(f"its activation {class_name!r} has no settings")
            return read_layer(str(class_name), config, keras)
        value = config
    if not isinstance(value, str):
        raise ValueError(f"its activation should be a name, got {value!r}")
    name = SAME_ACTIVATION.get(value, value)
    if name == "hard_sigmoid" and keras < 3:
        name = "hard_sigmoid_keras2"
    if name not in layers.ACTIVATIONS:
        raise ValueError(f"its activation {value!r} is not known; known are {', '.join(layers.ACTIVATIONS)}")
    return name


def check_origin(described: Mapping[str, Any]) -> None:
    """Raise ValueError for an object of somebody's own that bears the name of one of Keras's."""
    class_name = described.get("class_name")
    module, registered = described.get("module"), described.get("registered_name")
    if module is not None and module != "builtins" and not _is_ours(module):
        raise ValueError(
            f"its class {class_name!r} is of the module {module!r}, not of Keras: code from elsewhere is "
            "not run"
        )
    if registered is not None and not (
        isinstance(registered, str) and registered.rpartition(">")[0] in ("", "keras", "Keras")
    ):
        raise ValueError(
            f"its class {class_name!r} is registered as {registered!r}: somebody's own, which is not run"
        )


def check_dtype(dtype: Any) -> None:
    """Raise ValueError for types whose weights are more than numbers. Others do not matter:
    weights of any precision are computed in float32."""
    policy = dtype.get("class_name") if isinstance(dtype, Mapping) else dtype
    if isinstance(policy, str) and (policy.startswith("Quantized") or "_from_" in policy):
        raise ValueError(
            "its weights are quantised to whole numbers; weights of floating-point type are read"
        )


def plain_numbers(value: Any) -> Any:
    """A NumPy array or a tensor as Keras describes it, as lists of numbers; anything else as it is."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        described = value.get("config")
        return described.get("value") if isinstance(described, Mapping) else None
    return value


def unknown(class_name: str) -> str:
    if class_name in ("Lambda", "lambda"):
        return (
            "a Lambda layer holds Python code, and code from a file is never run. If it scales pixels, put "
            "Rescaling(1/127.5, offset=-1) in its place and save the model again"
        )
    names = sorted({*known(), *TRAINING_ONLY, "InputLayer", "Functional", "Sequential"})
    return f"{class_name!r} is not among the layers known here: {', '.join(names)}"


def _is_ours(module: Any) -> bool:
    return isinstance(module, str) and any(
        module == ours or module.startswith(f"{ours}.") for ours in OUR_MODULES
    )


def _modern(config: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """The settings under their present names."""
    settings = {}
    for key, value in config.items():
        modern = OLD_SETTINGS.get(key)
        if key not in taken and modern is not None and (modern in taken or modern == "data_format"):
            key = modern
        settings[key] = value
    if "nb_row" in settings and "nb_col" in settings:
        settings["kernel_size"] = [settings.pop("nb_row"), settings.pop("nb_col")]
    return settings
