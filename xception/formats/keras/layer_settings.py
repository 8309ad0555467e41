"""Layer classes and settings of Keras 1, 2 and 3, read into layers of this library.

Only the classes in `known_layers` are read, and only plain values are taken from a file. Nothing is
imported or called by a name in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ... import layers
from ...layers import TRAINING_ONLY, Layer, TrainingOnly
from ..limits import MAX_AXES


@functools.cache
def known_layers() -> dict[str, type[Layer]]:
    """Return the layer classes that are read by their Keras name."""
    public = {name: getattr(layers, name) for name in layers.__all__ if name not in layers.OPERATIONS}
    read_otherwise = (Layer, TrainingOnly, layers.Input)
    return {
        name: value
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, Layer) and value not in read_otherwise
    }


#: Class names of Keras 1, and aliases of Keras 2.
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
    "alpha": "negative_slope",  # only of LeakyReLU: see _rename_settings
}

#: Settings that do not change what is computed, whatever their value: for training, naming or storage.
IRRELEVANT = frozenset(
    {"name", "trainable", "dtype", "seed", "noise_shape", "momentum", "renorm_momentum", "fused", "sparse",
     "ragged", "autocast", "synchronized", "batch_input_shape", "batch_shape", "input_shape", "input_dim",
     "build_config", "init", "activity_regularizer", "input_dtype", "optional", "batch_size",
     "implementation", "zero_output_for_mask"}
)  # fmt: skip
IRRELEVANT_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_init")

#: Defaults of settings that some layers of this library do not have. They change nothing.
WITHOUT_EFFECT = (("groups", 1), ("dilation_rate", [1, 1]), ("dilation_rate", 1), ("depth_multiplier", 1))

KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras",
                 "tensorflow.python.layers", "keras_core")  # fmt: skip

#: Other names of activations.
SAME_ACTIVATION = {
    "softmax_v2": "softmax",
    "log_softmax_v2": "log_softmax",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "relu_v2": "relu",
}


def read_layer(class_name: str, config: Mapping[str, Any], keras: int) -> Layer:
    """Return the layer of a class, with the settings of its config.

    Args:
        class_name: The class as Keras names it.
        config: Its settings, as parsed JSON.
        keras: The major version of the Keras that wrote them: 1, 2 or 3.

    Raises:
        ValueError: The class or a setting is not supported.
    """
    name = OLD_CLASSES.get(class_name, class_name)
    check_dtype(config.get("dtype"))
    if name in TRAINING_ONLY:
        return TrainingOnly(name, json.dumps(config))
    if name not in known_layers():
        raise ValueError(_explain_unknown(class_name))
    layer_class = known_layers()[name]
    field_names = {field.name for field in fields(layer_class)}  # type: ignore[arg-type]
    settings: dict[str, Any] = {}
    for key, value in _rename_settings(config, field_names).items():
        _check_setting(key, value)
        if key in field_names:
            settings[key] = unwrap_array(value)
        elif key in IRRELEVANT or key.endswith(IRRELEVANT_ENDINGS) or key == "data_format":
            continue
        elif key == "lora_rank" and value:
            raise ValueError("is a dense layer with a LoRA adapter; merge it into the kernel, and save again")
        elif value and (key, value) not in WITHOUT_EFFECT:
            raise ValueError(f"its setting {key} = {value!r} is not supported")
    if "activation" in settings:
        settings["activation"] = read_activation(settings["activation"], keras)
    return layer_class(**settings)


def read_activation(value: Any, keras: int) -> str | Layer:
    """Return the name of an activation, or the layer that computes it.

    Args:
        value: The activation in any form that Keras writes: a name, null, or the config of a layer.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.

    Raises:
        ValueError: The activation is not supported.
    """
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
        supported = ", ".join(layers.ACTIVATIONS)
        raise ValueError(f"its activation {value!r} is not supported; supported: {supported}")
    return name


def check_origin(described: Mapping[str, Any]) -> None:
    """Raise ValueError for a custom object, which may have the name of one of Keras's classes."""
    class_name = described.get("class_name")
    module, registered = described.get("module"), described.get("registered_name")
    if module is not None and module != "builtins" and not _is_keras_module(module):
        raise ValueError(
            f"its class {class_name!r} is of the module {module!r}, not of Keras: custom code is not run"
        )
    if registered is not None and not (
        isinstance(registered, str) and registered.rpartition(">")[0] in ("", "keras", "Keras")
    ):
        raise ValueError(f"its class {class_name!r} is registered as {registered!r}: custom code is not run")


def check_dtype(dtype: Any) -> None:
    """Raise ValueError for a dtype policy of quantized weights.

    Other policies do not matter: weights of any precision are computed in float32.
    """
    policy = dtype.get("class_name") if isinstance(dtype, Mapping) else dtype
    if isinstance(policy, str) and (policy.startswith("Quantized") or "_from_" in policy):
        raise ValueError("its weights are quantized to integers; supported are floating-point weights")


def unwrap_array(value: Any) -> Any:
    """Return the nested lists of an array or tensor in a config; anything else unchanged."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        return config.get("value") if isinstance(config, Mapping) else None
    return value


def _check_setting(key: str, value: Any) -> None:
    if key == "data_format" and value in ("channels_first", "th"):
        raise ValueError(
            "is channels_first: its maps have the shape (channels, height, width). Supported is "
            "channels_last. Keras can convert: build the same model with channels_last, and set its weights"
        )
    if isinstance(value, list) and len(value) > MAX_AXES and key in ("target_shape", "dims"):
        raise ValueError(f"its setting {key} lists {len(value):,} axes; supported are at most {MAX_AXES}")


def _explain_unknown(class_name: str) -> str:
    if class_name in ("Lambda", "lambda"):
        return (
            "a Lambda layer holds Python code, and code from a file is never run. If it scales pixels, put "
            "Rescaling(1/127.5, offset=-1) in its place and save the model again"
        )
    names = sorted({*known_layers(), *TRAINING_ONLY, "InputLayer", "Functional", "Sequential"})
    return f"{class_name!r} is not a supported layer; supported: {', '.join(names)}"


def _is_keras_module(module: Any) -> bool:
    return isinstance(module, str) and any(
        module == known or module.startswith(f"{known}.") for known in KERAS_MODULES
    )


def _rename_settings(config: Mapping[str, Any], field_names: set[str]) -> dict[str, Any]:
    """Return the settings by the names that Keras 3 gives them."""
    settings = {}
    for key, value in config.items():
        new_key = OLD_SETTINGS.get(key)
        if (
            key not in field_names
            and new_key is not None
            and (new_key in field_names or new_key == "data_format")
        ):
            key = new_key
        settings[key] = value
    if "nb_row" in settings and "nb_col" in settings:
        settings["kernel_size"] = [settings.pop("nb_row"), settings.pop("nb_col")]
    return settings
