"""Advice for layers that are refused: Lambda layers, custom classes, other packages.

The code in a Lambda layer is never run nor decoded. What it may compute is guessed from its names: the
layer's, the function's, and those that its code mentions, which are searched for as text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

#: The packages around Keras whose layers are often met.
PACKAGES = ("keras_hub", "keras_cv", "keras_nlp", "tensorflow_addons", "tensorflow_hub", "keras_contrib")
LAMBDAS = ("Lambda", "lambda")  #: classes of layers that hold Python code
MAX_CODE_CHARACTERS = 1 << 16  #: of a Lambda layer that are searched

SCALING = "If it scales pixels, put Rescaling(1/127.5, offset=-1) in its place and save the model again"
KEEP_WEIGHTS = "Build the model anew, copy the weights with new.set_weights(old.get_weights()), and save it"
REPLACE_CLASS = (
    "Build the model of Keras's own layers, copy the weights with new.set_weights(old.get_weights()), and "
    "save it"
)

#: The names of functions, what they suggest, and what to put in place of the Lambda layer. The first that
#: is found counts.
HINTS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("preprocess_input", "preprocess", "rescale"), "scales pixels", "Rescaling(1/127.5, offset=-1)"),
    (("resize", "resize_images", "resize_bilinear"), "resizes", "Resizing(height, width)"),
    (("expand_dims", "squeeze", "reshape"), "changes the shape", "Reshape(shape)"),
    (("transpose", "permute_dimensions"), "reorders axes", "Permute(axes)"),
    (("l2_normalize", "l2norm", "l2_norm", "norm"), "normalizes vectors", "UnitNormalization()"),
    (("concatenate", "concat"), "concatenates", "Concatenate(axis)"),
    (("softmax", "relu", "sigmoid", "tanh", "gelu", "swish"), "applies {0}", "Activation('{0}')"),
    (("mean", "reduce_mean"), "averages", "keras.ops.mean"),
    (("max", "reduce_max"), "takes a maximum", "keras.ops.max"),
    (("min", "reduce_min"), "takes a minimum", "keras.ops.min"),
    (("sum", "reduce_sum"), "sums", "keras.ops.sum"),
    (("abs", "square", "sqrt", "exp", "log", "clip", "split", "stack", "where", "cast", "matmul", "einsum"),
     "applies {0}", "keras.ops.{0}"),
    (("slice", "strided_slice", "getitem", "crop"), "takes a part", "Cropping2D, or x[…] itself,"),
)  # fmt: skip
#: Those that a layer which scales pixels may mention too, as in `(x - mean) / std`.
SCALING_WORDS = ("mean", "max", "min", "abs", "cast", "clip", "norm")


def explain_lambda(name: str, config: Mapping[str, Any], reads_input: bool, is_output: bool) -> str:
    """Return why a Lambda layer is refused, and what to put in its place.

    Args:
        name: The layer's name.
        config: Its settings, as parsed JSON.
        reads_input: Whether it reads an input of the model.
        is_output: Whether it computes an output of the model.
    """
    reason = "a Lambda layer holds Python code, and code from a file is never run"
    function = _function_name(config)
    if function:
        reason += f" (its function is called {function!r})"
    hint = _find_hint([name, function or ""], _code_texts(config), reads_input)
    if hint is None:
        hint = _hint_by_place(reads_input, is_output)
    return f"{reason}. {hint}"


def explain_class(class_name: str, supported: Collection[str]) -> str:
    """Return why a class of which no module is known is refused."""
    package = class_name.rpartition(">")[0]
    if package and package.partition(".")[0] != "keras":
        return (
            f"{class_name!r} is not a supported layer: it is of the package {package!r}, whose code is not "
            f"run, and not in the file. {REPLACE_CLASS}"
        )
    return (
        f"{class_name!r} is not a supported layer. If it is a class of your own, or of another package: its "
        f"code is not run, and not in the file. {REPLACE_CLASS}; supported: {', '.join(supported)}"
    )


def explain_origin(class_name: Any, module: Any, registered: Any) -> str:
    """Return why a class of another module than Keras's is refused."""
    known_as = f", registered as {registered!r}" if registered not in (None, class_name) else ""
    origin = f" is of the module {module!r}, not of Keras" if module is not None else ""
    text = f"its class {class_name!r}{origin}{known_as}: custom code is not run"
    package = next((p for p in PACKAGES if p in str(module) or p in str(registered)), None)
    return (
        f"{text}. It needs the package {package}. {REPLACE_CLASS}" if package else f"{text}. {REPLACE_CLASS}"
    )


def explain_model(class_name: Any, module: Any, registered: Any, supported: Collection[str]) -> str:
    """Return why a model of a class of its own is refused."""
    details = [f"module {module!r}" if module else "", f"registered as {registered!r}" if registered else ""]
    origin = ", ".join(filter(None, details))
    return (
        f"the model is of the class {class_name!r}{f' ({origin})' if origin else ''}. Python code defines "
        "what other classes than Keras's compute, and code is not run. If it was built from layers, "
        "keras.Model(model.inputs, model.outputs).save('plain.keras') saves them without the class; "
        f"supported: {', '.join(supported)}"
    )


def _function_name(config: Mapping[str, Any]) -> str | None:
    """Return the name of a function that is stored by its name."""
    function = config.get("function")
    if isinstance(function, Mapping):
        function = function.get("config")
    return function if isinstance(function, str) and len(function) < 100 and function.isprintable() else None


def _code_texts(config: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the stored code, as bytes in which names can be searched."""
    function = config.get("function")
    if isinstance(function, Mapping) and isinstance(function.get("config"), Mapping):
        function = [function["config"].get("code")]
    for text in function[:1] if isinstance(function, list) else []:
        if isinstance(text, str):
            try:
                yield base64.b64decode(text[:MAX_CODE_CHARACTERS])
            except (binascii.Error, ValueError):
                continue


def _find_hint(names: list[str], codes: Iterator[bytes], reads_input: bool) -> str | None:
    words = {part for name in names for part in (name, *re.split(r"[\d._]+", name))}
    content = b"".join(codes)
    for known, purpose, replacement in HINTS:
        for word in known:
            if reads_input and word in SCALING_WORDS:
                continue
            # In code, a name is preceded by its length.
            if word in words or bytes([len(word)]) + word.encode() in content:
                what, instead = purpose.format(word), replacement.format(word)
                if "keras.ops" in instead:
                    where = ", on the tensor (in Keras 2, the function of tf), which is saved by name"
                else:
                    where = ""
                return f"It probably {what}: put {instead} in its place{where}. {KEEP_WEIGHTS}"
    return None


def _hint_by_place(reads_input: bool, is_output: bool) -> str:
    if reads_input:
        return SCALING
    if is_output:
        return (
            "It computes an output. Leave it out and apply its function to what predict returns, or put a "
            "layer in its place: UnitNormalization() for vectors of length 1, Activation for a function. "
            f"{KEEP_WEIGHTS}"
        )
    return (
        "Replace it by Keras's layers, or by operations of keras.ops on the tensors, which are saved by "
        f"name and without code. {KEEP_WEIGHTS}"
    )
