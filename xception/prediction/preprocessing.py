"""Preprocessing of photographs: read, resized and scaled as a model was trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.arrays import as_real_array
from ..data.image_pixels import MODES
from ..data.image_resizing import render
from ..data.imagenet import preprocess_input
from ..data.images import open_picture
from ..data.preprocessing import (
    SCALINGS,
    TENSORFLOW_INTERPOLATIONS,
    Aspect,
    ChannelOrder,
    Decode,
    Exif,
    Interpolation,
    Preprocessing,
    Scaling,
    ScalingArgument,
    check_decode,
    check_option,
    check_reading,
)
from ..engine.plan import BATCH_SHARE
from ..graph.budget import check_memory
from ..kernels import Array
from ..limits import get_limits
from ..models.inputs import expect_pixels, image_inputs, own_scaling
from ..models.model import Model

if TYPE_CHECKING:
    from ..data.image_pixels import Picture
    from ..data.images import ImageLike

DEFAULT_SIZE = 299  #: pixels each way, where a model takes photographs of any size
WHITE = 255.0
#: The shorter side that a whole photograph has at least, unless it is smaller: as much as is shown of it.
MIN_WHOLE_PIXELS = 640
#: Bytes that a color value of a photograph takes at most while it is read and scaled: twice as an integer,
#: three times in float32.
BYTES_PER_VALUE = 14
#: The same where pixels are read in float32, with what resizing one of them takes.
BYTES_PER_FLOAT_VALUE = 52

#: The middle of each range: what a gray pixel becomes.
GRAY: dict[Scaling, float] = {"tf": 0.0, "unit": 0.5, "none": 127.5}


class Preprocessor:
    """Reads, resizes, and scales photographs as a model takes them.

    An argument that is given comes before the model's own record (`Model.preprocessing`), and the record
    before what the model's layers say.

    Args:
        model: A model with an input for photographs.
        scaling: Range of the pixels: "tf" −1…1, "unit" 0…1, "none" 0…255. "auto": as recorded, else as
            `infer_scaling` says.
        interpolation: How photographs are resized; see `load_image`. None: as recorded, else "bilinear".
        aspect: How they are fitted into `size`; see `load_image`. None: as recorded, else "stretch".
        exif: Whether they are turned upright; see `load_image`. None: as recorded, else "upright".
        decode: Whether large JPEG files are decoded in full ("exact") or reduced ("fast"); see `load_image`.
            It is never recorded.

    Attributes:
        model: The model.
        input_name: The input that takes photographs; of several, the first.
        size: (height, width) of its input; where the model takes any size, as recorded, else 299×299.
        channels: The number of channels of its input. With 1, 3 or 4, photographs are read as gray pixels,
            RGB or RGBA; with another number, the model takes arrays only.
        scaling: "tf", "unit" or "none".
        interpolation: See above.
        aspect: See above.
        exif: See above.
        decode: See above.
        channel_order: "rgb" or "bgr"; see `Preprocessing`.

    Raises:
        ValueError: The model does not take images, an option is unknown, or `decode` is "fast" where
            `interpolation` is "tf-dataset".
        LimitError: A single photograph of the model's size takes more memory than the limits allow.
    """

    def __init__(
        self,
        model: Model,
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
        aspect: Aspect | None = None,
        exif: Exif | None = None,
        decode: Decode = "exact",
    ) -> None:
        check_option("scaling", scaling, ("auto", *SCALINGS))
        check_reading(interpolation, aspect, exif)
        self.model = model
        self.input_name = photograph_input(model)
        height, width, self.channels = image_shape(model)
        self.size = (height, width)
        record = model.preprocessing
        self.interpolation: Interpolation = interpolation or record.interpolation or "bilinear"
        self.aspect: Aspect = aspect or record.aspect or "stretch"
        self.exif: Exif = exif or record.exif or "upright"
        check_decode(decode, self.interpolation)
        self.decode: Decode = decode
        check_memory(model.name, self._bytes_per_photograph)
        if scaling == "auto":
            scaling = record.scaling or infer_scaling(model)
        self.scaling: Scaling = scaling
        self.channel_order: ChannelOrder = record.channel_order or "rgb"

    def check_only_input(self) -> None:
        """Raise ValueError if the model has other inputs besides the photograph."""
        names = self.model.input_names
        if len(names) > 1:
            raise ValueError(
                f"{self.model.name} takes {len(names)} inputs, {', '.join(names)}, expected one photograph; "
                "call model.predict or xception.explain with an array for each of them"
            )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the pixels of a photograph."""
        return (*self.size, self.channels)

    @property
    def record(self) -> Preprocessing:
        """What `Model.preprocessing` records of it."""
        order = None if self.channel_order == "rgb" else self.channel_order
        return Preprocessing(self.scaling, self.interpolation, None, self.aspect, self.exif, order)

    @property
    def settings(self) -> tuple[object, ...]:
        """Everything that decides the values of a photograph, for fingerprints."""
        settings = self.scaling, self.size, self.interpolation, self.aspect, self.exif, self.decode
        return settings if self.channel_order == "rgb" else (*settings, self.channel_order)

    def load(self, source: ImageLike) -> NDArray[Any]:
        """Read a photograph as pixels 0…255 of the model's `input_shape`, as `load_image` returns them."""
        with self._open(source) as picture:
            return self._render(picture)

    def load_both(self, source: ImageLike) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Read a photograph as `load` does, and also as a whole.

        Returns:
            The pixels, and the photograph (h, w, 3) in its own size, or reduced to no less than
            `MIN_WHOLE_PIXELS`; None if it is an array with a number of channels that photographs do not have.
        """
        with self._open(source) as picture:
            pixels = self._render(picture)
            if self.channels not in MODES:
                return pixels, None
            if picture.size == picture.original_size or min(picture.size) >= MIN_WHOLE_PIXELS:
                return pixels, render(picture, None)
        with open_picture(source, self.exif) as picture:  # a small model sees too little of it
            return pixels, render(picture, None)

    def _open(self, source: ImageLike) -> AbstractContextManager[Picture]:
        height, width = self.size
        new_size = (width, height) if self.decode == "fast" else None
        return open_picture(source, self.exif, self.channels, self.interpolation, new_size, self.aspect)

    def _render(self, picture: Picture) -> NDArray[Any]:
        height, width = self.size
        return render(picture, (width, height), self.interpolation, self.aspect, self.channels)

    def scale(self, pixels: NDArray[Any]) -> Array:
        """Scale pixels 0…255 as the model takes them, in its order of channels; the result is float32."""
        if self.channel_order == "bgr" and self.channels >= 3:
            pixels = pixels[..., [2, 1, 0, *range(3, self.channels)]]
        if self.scaling == "tf":
            is_floating = np.issubdtype(pixels.dtype, np.floating)
            return preprocess_input(pixels.astype(np.float32, copy=False) if is_floating else pixels)
        x = pixels.astype(np.float32)
        if self.scaling == "unit":
            x /= np.float32(255)  # in place, to save memory
        return x

    @property
    def at_once(self) -> int:
        """How many photographs of the model's size may be in memory at once."""
        return max(1, get_limits().max_memory_bytes // BATCH_SHARE // self._bytes_per_photograph)

    @property
    def _bytes_per_photograph(self) -> int:
        is_float = self.interpolation in TENSORFLOW_INTERPOLATIONS or self.channels not in MODES
        return math.prod(self.input_shape) * (BYTES_PER_FLOAT_VALUE if is_float else BYTES_PER_VALUE)

    def compute(self, pixels: NDArray[Any], function: Callable[[Array], Any]) -> Any:
        """Scale pixels and apply a method of the model to them.

        Args:
            pixels: (n, height, width, channels), 0…255.
            function: The model's `predict` or `features`, of one argument.

        Returns:
            What `function` returns.

        Raises:
            TypeError: `pixels` is a generator, a path, or another object that is no array.
            ValueError: `pixels` has another shape, or holds something other than finite real numbers.
        """
        self.check_only_input()
        shape = ", ".join(map(str, self.input_shape))
        x = self.scale(as_real_array(pixels, f"pixels of shape (n, {shape})"))
        # The caller opted out of scaling, so do not warn.
        with expect_pixels() if self.scaling == "none" else nullcontext():
            return function(x)


def photograph_input(model: Model) -> str:
    """Return the name of the input that takes photographs; of several, the first.

    Raises:
        ValueError: There is none.
    """
    if any(len(model.graph.nodes[name].output_shape) == 4 for name in model.graph.inputs):
        raise ValueError(
            f"{model.name} takes videos {model.input_shape}, not photographs: call model.predict(frames) "
            "with an array (n, frames, height, width, channels), scaled as in training, for example by "
            "xception.preprocess_input. Read frames with xception.load_image, and join them with np.stack"
        )
    names = image_inputs(model.graph)
    if not names:
        raise ValueError(
            f"{model.name} takes {model.input_shape}, expected one photograph (None, height, width, "
            "channels); call the model's own predict() with its inputs"
        )
    return names[0]


def image_shape(model: Model) -> tuple[int, int, int]:
    """Return the (height, width, channels) of images that a model takes.

    Raises:
        ValueError: The model takes something other than images.
    """
    height, width, channels = model.graph.nodes[photograph_input(model)].output_shape
    default_height, default_width = model.preprocessing.size or (DEFAULT_SIZE, DEFAULT_SIZE)
    return height or default_height, width or default_width, channels or 3


def infer_scaling(model: Model) -> Scaling:
    """Infer the range of pixels that a model takes from its first layers.

    A model without scaling layers takes −1…1, as Xception does. A model that begins with layers such as
    `Rescaling` takes 0…255, unless these layers make a white pixel larger than 255: (x − 0.5) / 0.2, for
    example, is meant for 0…1. Arrays with a number of channels that photographs do not have are taken as they
    are.
    """
    name, shape = photograph_input(model), image_shape(model)
    scaling_nodes = own_scaling(model.graph, name)
    if shape[-1] not in MODES:
        return "none"
    if not scaling_nodes:
        return "tf"
    white = np.full((1, *shape), WHITE, np.float32)
    (scaled,) = model.graph.evaluate(model.parameters, {name: white}, scaling_nodes[-1:]).values()
    return "unit" if np.abs(scaled).max() > WHITE else "none"
