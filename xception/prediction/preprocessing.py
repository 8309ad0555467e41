"""Preprocessing of photographs: read, resized and scaled as a model was trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.arrays import as_real_array
from ..data.batches import BATCH_SIZE
from ..data.imagenet import preprocess_input
from ..data.images import load_image
from ..data.preprocessing import (
    INTERPOLATIONS,
    SCALINGS,
    Interpolation,
    Scaling,
    ScalingArgument,
    check_option,
)
from ..engine.plan import BATCH_SHARE
from ..graph.budget import check_memory
from ..kernels import Array
from ..limits import get_limits
from ..models.inputs import image_input, own_scaling
from ..models.model import Model

if TYPE_CHECKING:
    from ..data.images import ImageLike

DEFAULT_SIZE = 299  #: pixels each way, where a model takes photographs of any size
WHITE = 255.0
#: Bytes that a color value of a photograph takes at most while its batch is read and scaled: twice as an
#: integer, three times in float32.
BYTES_PER_VALUE = 14

#: The middle of each range: what a grey pixel becomes.
GREY: dict[Scaling, float] = {"tf": 0.0, "unit": 0.5, "none": 127.5}


class Preprocessor:
    """Reads, resizes, and scales photographs as a model takes them.

    An argument that is given comes before the model's own record (`Model.preprocessing`), and the record
    before what the model's layers say.

    Args:
        model: A model with one input for photographs.
        scaling: Range of the pixels: "tf" −1…1, "unit" 0…1, "none" 0…255. "auto": as recorded, else as
            `infer_scaling` says.
        interpolation: Pillow's filter for resizing. None: as recorded, else "bilinear".

    Attributes:
        model: The model.
        size: (height, width) of its input; 299×299 where the model takes any size.
        scaling: "tf", "unit" or "none".
        interpolation: The filter.

    Raises:
        ValueError: The model does not take photographs, or an option is unknown.
        LimitError: A single photograph of the model's size takes more memory than the limits allow.
    """

    def __init__(
        self,
        model: Model,
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
    ) -> None:
        check_option("scaling", scaling, ("auto", *SCALINGS))
        if interpolation is not None:
            check_option("interpolation", interpolation, INTERPOLATIONS)
        self.model = model
        self.size = image_size(model)
        check_memory(model.name, self.size[0] * self.size[1] * 3 * BYTES_PER_VALUE)
        if scaling == "auto":
            scaling = model.preprocessing.scaling or infer_scaling(model)
        self.scaling: Scaling = scaling
        self.interpolation: Interpolation = interpolation or model.preprocessing.interpolation or "bilinear"

    def load(self, source: ImageLike) -> NDArray[np.uint8]:
        """Read a photograph as pixels 0…255 of the model's size: (height, width, 3)."""
        return load_image(source, self.size, self.interpolation)

    def scale(self, pixels: NDArray[Any]) -> Array:
        """Scale pixels 0…255 as the model takes them; the result is float32."""
        if self.scaling == "tf":
            is_floating = np.issubdtype(pixels.dtype, np.floating)
            return preprocess_input(pixels.astype(np.float32, copy=False) if is_floating else pixels)
        x = pixels.astype(np.float32)
        if self.scaling == "unit":
            x /= np.float32(255)  # in place, to save memory
        return x

    @property
    def batch_size(self) -> int:
        """How many photographs are read and computed together: 16, or fewer large ones."""
        height, width = self.size
        per_photograph = height * width * 3 * BYTES_PER_VALUE
        return max(1, min(BATCH_SIZE, get_limits().max_memory_bytes // (BATCH_SHARE * per_photograph)))

    def compute(self, pixels: NDArray[Any], function: Callable[[Array], Any]) -> Any:
        """Scale pixels and apply a method of the model to them.

        Args:
            pixels: (n, height, width, 3), 0…255.
            function: The model's `predict` or `features`, of one argument.

        Returns:
            What `function` returns.

        Raises:
            TypeError: `pixels` is a generator, a path, or another object that is no array.
            ValueError: `pixels` has another shape, or holds something other than finite real numbers.
        """
        x = self.scale(as_real_array(pixels, f"pixels of shape (n, {self.size[0]}, {self.size[1]}, 3)"))
        # The caller opted out of scaling, so do not warn.
        with warnings.catch_warnings() if self.scaling == "none" else nullcontext():
            if self.scaling == "none":
                warnings.filterwarnings("ignore", "the images hold")
            return function(x)


def image_size(model: Model) -> tuple[int, int]:
    """Return the (height, width) of photographs that a model takes.

    Raises:
        ValueError: The model takes something other than photographs.
    """
    name = image_input(model.graph)
    if any(len(model.graph.nodes[name].output_shape) == 4 for name in model.graph.inputs):
        raise ValueError(
            f"{model.name} takes videos {model.input_shape}, not photographs: call model.predict(frames) "
            "with an array (n, frames, height, width, channels), scaled as in training, for example by "
            "xception.preprocess_input(frames). np.stack makes it of photographs from xception.load_image"
        )
    if name is None or len(model.graph.inputs) > 1:
        raise ValueError(
            f"{model.name} takes {model.input_shape}, expected one photograph (None, height, width, 3); "
            "call the model's own predict() with its inputs"
        )
    height, width, _ = model.graph.nodes[name].output_shape
    return height or DEFAULT_SIZE, width or DEFAULT_SIZE


def infer_scaling(model: Model) -> Scaling:
    """Infer the range of pixels that a model takes from its first layers.

    A model without scaling layers takes −1…1, as Xception does. A model that begins with layers such as
    `Rescaling` takes 0…255, unless these layers make a white pixel larger than 255: (x − 0.5) / 0.2, for
    example, is meant for 0…1.
    """
    scaling_nodes = own_scaling(model.graph)
    if not scaling_nodes:
        return "tf"
    white = np.full((1, *image_size(model), 3), WHITE, np.float32)
    (scaled,) = model.graph.evaluate(model.parameters, white, scaling_nodes[-1:]).values()
    return "unit" if np.abs(scaled).max() > WHITE else "none"
