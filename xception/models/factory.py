"""Models built by name or read from a file: `Xception` and `load_model`."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

from .. import architecture
from ..data.class_names import ClassNamesLike, read_class_names
from ..data.locations import local_copy, without_secrets
from ..data.preprocessing import Aspect, ChannelOrder, Interpolation
from ..errors import printable
from ..graph import Network
from ..layers import Shape
from .model import Model

IMAGENET_CLASSES = 1000
log = logging.getLogger(__name__)


def Xception(  # noqa: N802, the name is Keras's
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: Shape | None = None,
    pooling: Literal["avg", "max"] | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    *,
    seed: int | None = None,
) -> Model:
    """Build Xception, as `keras.applications.Xception` does.

    Args:
        include_top: Whether to include the classifier: 22,910,480 parameters with it, 20,861,480
            without.
        weights: "imagenet"; the path of a weights file; or None for random ones, as Keras's
            initializers draw them. "imagenet" with the classifier is the file that Keras publishes,
            from a cache or downloaded (92 MB). Without the classifier it is the base that is shipped
            with this library, rounded to float16.
        input_shape: (height, width, channels), at least 71×71. A height or width of None accepts any
            size. By default (299, 299, 3) with the classifier, (None, None, 3) without.
        pooling: Global pooling of the last maps (h, w, 2048) if there is no classifier: "avg" and "max"
            give (2048,), None keeps the maps.
        classes: Number of classes of the classifier.
        classifier_activation: Activation of the classifier. None gives logits.
        seed: Seed of random weights.

    Returns:
        The model.

    Raises:
        ValueError: Arguments are invalid or do not go together.
        DownloadError: The weights are neither on this machine nor available.
        ModelFileError: The weights file cannot be read, or does not fit. It is a ValueError.
        FileNotFoundError: There is no such weights file.

    Examples:
        >>> import xception
        >>> xception.Xception(include_top=False, pooling="avg")
        <Model xception: (None, None, None, 3) -> (None, 2048), 20,861,480 parameters>
    """
    imagenet = weights == "imagenet"
    if include_top and imagenet and classes != IMAGENET_CLASSES:
        raise ValueError(f"the ImageNet classifier has {IMAGENET_CLASSES} classes, not {classes}")
    if include_top and imagenet and classifier_activation not in (None, "linear", "softmax"):
        raise ValueError(
            "the ImageNet classifier was trained with softmax; classifier_activation must be that or None, "
            f"got {classifier_activation!r}"
        )
    if input_shape is None:
        input_shape = (299, 299, 3) if include_top else (None, None, 3)
    if not isinstance(input_shape, list | tuple) or len(input_shape) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), got {input_shape}")
    if imagenet and input_shape[-1] != 3:
        raise ValueError(f"the ImageNet weights take 3 channels, not {input_shape[-1]}")

    graph = architecture.xception(
        tuple(input_shape), include_top, pooling, classes, classifier_activation or "linear"
    )
    if weights is None:
        return Model(graph, seed=seed)
    from .. import formats  # imports h5py: only where a file is read
    from . import pretrained

    if imagenet:
        weights = pretrained.classifier() if include_top else pretrained.shipped_base()
    log.info("weights are read from %s", printable(os.fspath(weights)))
    return Model(graph, formats.read_weights(weights, Network.from_graph(graph), graph))


def load_model(
    path: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    *,
    class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
    input_shape: Shape | None = None,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    channel_order: ChannelOrder | None = None,
    strict: bool = False,
) -> Model:
    """Load a model that Keras, Deeplearning4j or this library saved, or Xception from a PyTorch checkpoint.

    The file may be of Keras 1, 2 or 3, and hold any graph of the layers in `xception.layers`. Nothing in
    it is executed, and an unknown layer is refused by name. The model computes in float32, whatever
    precision Keras used.

    Args:
        path: A `.keras` file or folder, or a whole model as `.h5`; a checkpoint of PyTorch (`.pth`, `.pt`,
            `.safetensors`); or a model zip of Deeplearning4j. Files may be behind URLs. Or the architecture
            alone, `model.json` as `model.to_json()` returns it, together with `weights`.
        weights: A file of weights: `.h5`, `.weights.h5`, the index `.weights.json` of sharded weights, or
            a whole model. All weights are read from it; those in `path`, if it has any, are not read.
        class_names: Names of the classes, or a file that holds them (see `read_class_names`). None: those
            in `path`.
        input_shape: (height, width, channels) of the input of a checkpoint or a zip, which do not record it;
            a height or width of None accepts any size, and channels of None are those of the file. None:
            299×299 for a checkpoint, or 256×256 for those of DeepfakeBench; any size that its layers allow
            for a zip.
        interpolation: How photographs were resized in training; see `Preprocessing`. None: as recorded.
        aspect: How they were fitted into the input; see `Preprocessing`. None: as recorded.
        channel_order: "rgb", or "bgr" for a model that takes blue first, as one that was trained on images
            which Deeplearning4j's own loader read. None: as recorded.
        strict: Refuse a checkpoint whose pickle names anything besides weights. By default it is passed over,
            and never called.

    Returns:
        The model, with the class names, the preprocessing and the task that `path` holds. One from a
        checkpoint computes as PyTorch does, and gives logits.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: `path` is a folder that holds no Keras model.
        ModelFileError: A file is damaged, malicious, or holds a model that is not supported, or the
            weights do not fit. It is a ValueError.
        ValueError: An option is not valid, or `input_shape` is given for a file that records it.

    Warns:
        UserWarning: What a checkpoint or a zip does not say and was assumed, and what in it was not used.
            Arrays hold NaN or infinity.

    Examples:
        >>> import tempfile, xception
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     xception.Xception(include_top=False).save(f"{folder}/base.keras")
        ...     xception.load_model(f"{folder}/base.keras")
        <Model xception: (None, None, None, 3) -> (None, None, None, 2048), 20,861,480 parameters>
    """
    from .. import formats  # imports h5py

    if isinstance(class_names, str | os.PathLike):
        class_names = read_class_names(class_names)
    given = os.fspath(path)
    with ExitStack() as copies:
        path = copies.enter_context(local_copy(path))
        weights = None if weights is None else copies.enter_context(local_copy(weights))
        stored = formats.read_model(path, weights, formats.ReadOptions(input_shape, strict))
    record = stored.preprocessing
    for note in stored.notes:
        if not (note.is_assumption and (interpolation or aspect or channel_order)):
            warnings.warn(printable(f"{os.path.basename(path)}: {note.text}"), stacklevel=2)
    model = Model(
        stored.graph, stored.parameters, stored.network, class_names or stored.class_names,
        replace(
            record, interpolation=interpolation or record.interpolation, aspect=aspect or record.aspect,
            channel_order=channel_order or record.channel_order,
        ),
        task=stored.task,
    )  # fmt: skip
    log.info("%s is loaded: %s parameters", without_secrets(given), f"{model.count_params():,}")
    return model
