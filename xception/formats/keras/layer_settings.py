"""Layer classes and settings of Keras 1, 2 and 3, read into layers of this library.

Only the classes in `known_layers` are read, and only plain values are taken from a file. Nothing is
imported or called by a name in it.
"""

from __future__ import annotations

import functools
import json
import reprlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ... import layers
from ...graph.limits import MAX_AXES
from ...layers import TRAINING_ONLY, Layer, TrainingOnly
from ...layers.penalized import Penalized
from ..limits import MAX_WRAPPING_DEPTH
from .json_reader import unwrap_array
from .unknown_layers import LAMBDAS, explain_class, explain_lambda, explain_origin


@functools.cache
def known_layers() -> dict[str, type[Layer]]:
    """Return the layer classes that are read by their Keras name."""
    others = layers.OPERATIONS | layers.DEEPLEARNING4J
    public = {name: getattr(layers, name) for name in layers.__all__ if name not in others}
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
    "Convolution1D": "Conv1D",
    "SeparableConvolution1D": "SeparableConv1D",
    "Convolution1DTranspose": "Conv1DTranspose",
    "MaxPool1D": "MaxPooling1D",
    "AvgPool1D": "AveragePooling1D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GroupQueryAttention": "GroupedQueryAttention",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}

#: Layers that Keras's published models define, as some versions register them. The code of others is not run.
APPLICATION_CLASSES = {
    f"Custom>{name}": name for name in ("CustomScaleLayer", "LayerScale", "StochasticDepth")
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
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "pool_length": "pool_size",
    "stride": "strides",
    "output_shape": "output_shape_setting",  # `output_shape` is a method of every layer
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
}

#: Settings that do not change what is computed, whatever their value: for training, naming or storage.
IRRELEVANT = frozenset(
    {"name", "trainable", "dtype", "seed", "noise_shape", "renorm_momentum", "fused", "sparse",
     "ragged", "autocast", "synchronized", "batch_input_shape", "batch_shape", "input_shape", "input_dim",
     "build_config", "init", "activity_regularizer", "input_dtype", "optional", "batch_size",
     "implementation", "zero_output_for_mask", "query_shape", "key_shape", "value_shape",
     # of recurrent layers: for training, or other ways to the same result
     "dropout", "recurrent_dropout", "unit_forget_bias", "unroll", "use_cudnn", "input_length",
     "consume_less", "reverse_state_order", "return_state"}
)  # fmt: skip
IRRELEVANT_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_init")

#: Defaults of settings that some layers of this library do not have. They change nothing.
WITHOUT_EFFECT = (("groups", 1), ("dilation_rate", [1, 1]), ("dilation_rate", 1), ("depth_multiplier", 1))

#: Settings that change what a layer computes, and what to do about them.
REFUSED_SETTINGS = {
    "stateful": "each prediction would begin where the one before ended. Build the same layer with "
    "stateful=False, set its weights, and save again",
    "time_major": "sequences are (batch, steps, channels). Build the same layer with time_major=False, set "
    "its weights, and save again",
}

#: Classes that are known but not supported, and what to do about them.
REFUSED_CLASSES = {
    "Masking": "the steps that it skips depend on their values. Give the mask as an input of the model, and "
    "to the recurrent layers as the argument mask",
    "Embedding": "it takes words, by their numbers",
    "CuDNNLSTM": "its weights have another order than LSTM's. Keras 2 converts them: build the same model "
    "with LSTM(…, recurrent_activation='sigmoid'), call load_weights, and save again",
    "CuDNNGRU": "its weights have another order than GRU's. Keras 2 converts them: build the same model "
    "with GRU(…, recurrent_activation='sigmoid', reset_after=True), call load_weights, and save again",
}

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


def read_layer(class_name: str, config: Mapping[str, Any], keras: int, depth: int = 0) -> Layer:
    """Return the layer of a class, with the settings of its config.

    Args:
        class_name: The class as Keras names it.
        config: Its settings, as parsed JSON.
        keras: The major version of the Keras that wrote them: 1, 2 or 3.
        depth: Number of layers around this one.

    Raises:
        ValueError: The class or a setting is not supported.
    """
    if depth > MAX_WRAPPING_DEPTH:
        raise ValueError(f"layers within layers, more than {MAX_WRAPPING_DEPTH} deep")
    name = OLD_CLASSES.get(class_name) or APPLICATION_CLASSES.get(class_name, class_name)
    check_dtype(config.get("dtype"))
    if name in TRAINING_ONLY:
        return TrainingOnly(name, json.dumps(config))
    if name in LAMBDAS:  # within another layer
        raise ValueError(explain_lambda("", config, reads_input=False, is_output=False))
    if name not in known_layers():
        raise ValueError(_explain_unknown(class_name))
    layer_class = known_layers()[name]
    names, penalty_names = _setting_names(name)
    settings: dict[str, Any] = {}
    penalties: dict[str, Any] = {}
    for key, value in _rename_settings(config, names).items():
        _check_setting(key, value)
        if key in layer_class.wraps and value is not None:
            settings[key] = _read_wrapped(key, value, keras, depth)
        elif key in penalty_names:
            if value is not None:
                penalties[key] = _read_penalty(key, value)
        elif key in names:
            settings[key] = unwrap_array(value)
        elif key in IRRELEVANT or key.endswith(IRRELEVANT_ENDINGS) or key == "data_format":
            continue
        elif value and key in REFUSED_SETTINGS:
            raise ValueError(f"its setting {key} = {value!r} is not supported: {REFUSED_SETTINGS[key]}")
        elif key == "lora_rank" and value:
            raise ValueError("is a dense layer with a LoRA adapter; merge it into the kernel, and save again")
        elif value and (key, value) not in WITHOUT_EFFECT:
            raise ValueError(f"its setting {key} = {value!r} is not supported")
    for key in settings.keys() & {"activation", "recurrent_activation"}:
        settings[key] = read_activation(settings[key], keras)
    if keras < 3 and "reset_after" in names:
        settings.setdefault("reset_after", False)  # the only way before Keras 2.1.3
    if penalties:
        settings["penalties"] = penalties
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
        raise ValueError(explain_origin(class_name, module, registered))
    if registered is not None and not (
        isinstance(registered, str)
        and (registered in APPLICATION_CLASSES or registered.rpartition(">")[0] in ("", "keras", "Keras"))
    ):
        raise ValueError(explain_origin(class_name, None, registered))


def check_dtype(dtype: Any) -> None:
    """Raise ValueError for a dtype policy of quantized weights.

    Other policies do not matter: weights of any precision are computed in float32.
    """
    policy = dtype.get("class_name") if isinstance(dtype, Mapping) else dtype
    if isinstance(policy, str) and (policy.startswith("Quantized") or "_from_" in policy):
        raise ValueError("its weights are quantized to integers; supported are floating-point weights")


def _read_wrapped(key: str, value: Any, keras: int, depth: int) -> Any:
    """Read the layer, or the list of layers, that a setting of another layer holds."""
    if isinstance(value, list):
        return tuple(_read_wrapped(key, item, keras, depth) for item in value)
    if not isinstance(value, Mapping) or not isinstance(value.get("config"), Mapping):
        raise ValueError(f"its setting {key} should describe a layer, got {reprlib.repr(value)}")
    check_origin(value)
    try:
        return read_layer(str(value.get("class_name")), value["config"], keras, depth + 1)
    except ValueError as error:
        raise ValueError(f"its {key} ({str(value.get('class_name'))[:100]}): {error}") from None


def _read_penalty(key: str, value: Any) -> Any:
    from .penalties import read_penalty  # few files have one

    try:
        check_origin(value if isinstance(value, Mapping) else {})
    except ValueError:
        return read_penalty(key, value, is_own=False)
    return read_penalty(key, value, is_own=True)


def _check_setting(key: str, value: Any) -> None:
    if key == "data_format" and value in ("channels_first", "th"):
        raise ValueError(
            "is channels_first: its maps have the shape (channels, height, width). Supported is "
            "channels_last. Keras can convert: build the same model with channels_last, and set its weights"
        )
    if isinstance(value, list) and len(value) > MAX_AXES and key in ("target_shape", "dims"):
        raise ValueError(f"its setting {key} lists {len(value):,} axes; supported are at most {MAX_AXES}")


def _explain_unknown(class_name: str) -> str:
    if class_name in REFUSED_CLASSES:
        return f"{class_name!r} is not a supported layer: {REFUSED_CLASSES[class_name]}"
    names = sorted({*known_layers(), *TRAINING_ONLY, "InputLayer", "Functional", "Sequential"})
    return explain_class(class_name, names)


def _is_keras_module(module: Any) -> bool:
    return isinstance(module, str) and any(
        module == known or module.startswith(f"{known}.") for known in KERAS_MODULES
    )


@functools.cache
def _setting_names(class_name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of a class's settings in a config, and which are regularizers and constraints."""
    layer_class = known_layers()[class_name]
    names = {field.name for field in fields(layer_class)}  # type: ignore[arg-type]
    if not issubclass(layer_class, Penalized):
        return frozenset(names), frozenset()
    penalties = frozenset(layer_class.penalty_names())
    return penalties.union(names - {"penalties"}), penalties


def _rename_settings(config: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the settings by the names that Keras 3 gives them."""
    settings = {}
    for key, value in config.items():
        new_key = OLD_SETTINGS.get(key)
        if key not in names and new_key is not None and (new_key in names or new_key == "data_format"):
            key = new_key
        settings[key] = value
    if "nb_row" in settings and "nb_col" in settings:
        settings["kernel_size"] = [settings.pop("nb_row"), settings.pop("nb_col")]
    return settings
