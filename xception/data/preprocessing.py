"""Preprocessing record: the pixels that a model was trained on, and whether it gives logits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

#: Range that pixels 0…255 are scaled to: "tf" −1…1, "unit" 0…1, "none" 0…255.
Scaling = Literal["tf", "unit", "none"]
#: How photographs are resized: by Pillow's filters, as `tf.image.resize` does, or as
#: `keras.utils.image_dataset_from_directory` does, which also decodes JPEG files in its own way.
Interpolation = Literal[
    "nearest", "bilinear", "bicubic", "hamming", "box", "lanczos", "tf-bilinear", "tf-dataset"
]
#: How a photograph is fitted into an image of another aspect ratio.
Aspect = Literal["stretch", "crop", "pad"]
#: Whether a photograph is turned upright as its EXIF orientation says.
Exif = Literal["upright", "ignore"]
#: Whether large JPEG files are decoded in full, or reduced by the decoder.
Decode = Literal["exact", "fast"]

#: Order of the color channels that a model takes.
ChannelOrder = Literal["rgb", "bgr"]

#: "auto" infers the range from the model.
ScalingArgument = Scaling | Literal["auto"]

SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
#: Those that resize as TensorFlow does, to pixels that are not rounded.
TENSORFLOW_INTERPOLATIONS: tuple[Interpolation, ...] = ("tf-bilinear", "tf-dataset")
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
EXIF_OPTIONS: tuple[Exif, ...] = get_args(Exif)
CHANNEL_ORDERS: tuple[ChannelOrder, ...] = get_args(ChannelOrder)
MAX_SIZE = 1 << 16  #: pixels each way
DECODE_OPTIONS: tuple[Decode, ...] = get_args(Decode)


@dataclass(frozen=True)
class Preprocessing:
    """How photographs become a model's input, and whether its scores are logits.

    None means "not recorded": the value is then inferred from the model's layers, or the default is used.
    The record is saved in a `.keras` file beside what Keras reads.

    Attributes:
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255.
        interpolation: How photographs are resized: by Pillow's filter "nearest", "bilinear" (the default),
            "bicubic", "hamming", "box" or "lanczos"; by "tf-bilinear", as `tf.image.resize` does; or by
            "tf-dataset", as `image_dataset_from_directory` reads files.
        from_logits: Whether the scores are logits, which are converted to probabilities.
        aspect: How they are fitted into the model's size: "stretch" (the default) changes the aspect ratio,
            "crop" takes the middle of the photograph, "pad" adds black borders.
        exif: "upright" (the default) turns photographs as their EXIF orientation says, "ignore" does not.
        channel_order: "rgb" (the default), or "bgr" for a model that takes blue first.
        size: (height, width) that photographs are resized to for a model that takes images of any size; by
            default 299×299.

    Raises:
        ValueError: A value is none of these.
    """

    scaling: Scaling | None = None
    interpolation: Interpolation | None = None
    from_logits: bool | None = None
    aspect: Aspect | None = None
    exif: Exif | None = None
    channel_order: ChannelOrder | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.scaling is not None:
            check_option("scaling", self.scaling, SCALINGS)
        check_reading(self.interpolation, self.aspect, self.exif)
        check_from_logits(self.from_logits)
        if self.channel_order is not None:
            check_option("channel_order", self.channel_order, CHANNEL_ORDERS)
        if self.size is not None:
            object.__setattr__(self, "size", _check_size(self.size))

    def to_dict(self) -> dict[str, Any]:
        """Return the recorded values as a dict that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Build a record from what `to_dict` returned.

        Args:
            values: Values by attribute name. Unknown names, from later versions, are ignored.

        Raises:
            ValueError: A value is not valid.
        """
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def check_option(name: str, value: object, options: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `options`."""
    if not (isinstance(value, str) and value in options):
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def _check_size(size: object) -> tuple[int, int]:
    """Return a (height, width) in pixels as a tuple; raise ValueError if it is none."""
    if isinstance(size, list | tuple) and len(size) == 2:
        height, width = size
        if all(type(pixels) is int and 0 < pixels <= MAX_SIZE for pixels in size):
            return height, width
    raise ValueError(f"size must be (height, width) in pixels, up to {MAX_SIZE}, got {size!r}")


def check_reading(interpolation: object, aspect: object, exif: object) -> None:
    """Raise ValueError unless each option of reading photographs is known, or None."""
    for name, value, options in (
        ("interpolation", interpolation, INTERPOLATIONS),
        ("aspect", aspect, ASPECTS),
        ("exif", exif, EXIF_OPTIONS),
    ):
        if value is not None:
            check_option(name, value, options)


def check_decode(decode: object, interpolation: Interpolation) -> None:
    """Raise ValueError unless `decode` is known, and possible with this interpolation."""
    check_option("decode", decode, DECODE_OPTIONS)
    if decode == "fast" and interpolation == "tf-dataset":
        raise ValueError(
            "decode 'fast' does not give the exact pixels of TensorFlow that interpolation 'tf-dataset' "
            "stands for: use decode 'exact', or another interpolation"
        )


def check_from_logits(value: object) -> None:
    """Raise ValueError unless `value` is a bool or None."""
    if not isinstance(value, bool | None):
        raise ValueError(f"from_logits must be True, False or None, got {value!r}")
