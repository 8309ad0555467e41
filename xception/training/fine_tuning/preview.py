"""Preview of the augmentation of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ...data.augmentation import Augmentation
from ...data.failures import FailureLog
from ...data.photographs import find_photographs
from ...data.preprocessing import Aspect, Decode, Exif, Interpolation
from ...prediction.classifier import ModelArgument
from ...prediction.preprocessing import Preprocessor
from ..augmentation_sheet import MAX_PHOTOGRAPHS, check_sheet_path, draw_sheet, write_sheet
from .borders import Example
from .pixel_reader import PixelReader
from .starting_model import choose_base

if TYPE_CHECKING:
    from ...data.photographs import ImagesLike


def preview_augmentation(
    images: ImagesLike,
    path: str | os.PathLike[str],
    augment: str | Augmentation,
    model: ModelArgument = None,
    *,
    size: int | None = None,
    seed: int = 0,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
) -> None:
    """Write a sheet of photographs and their variants, exactly as `fine_tune` would train on them.

    Args:
        images: As for `fine_tune`. A few photographs are taken, from its beginning to its end.
        path: The picture, such as a `.png`.
        augment: As for `fine_tune`.
        model: As for `fine_tune`.
        size: As for `fine_tune`.
        seed: As for `fine_tune`.
        interpolation: As for `fine_tune`.
        aspect: As for `fine_tune`.
        exif: As for `fine_tune`.
        decode: As for `fine_tune`.

    Raises:
        ValueError: An option is out of range, there are no photographs, or `path` is no picture.
        OSError: A photograph cannot be read, or the picture cannot be written.
    """
    augmentation = augment if isinstance(augment, Augmentation) else Augmentation.parse(augment)
    photographs = list(find_photographs(images, FailureLog("raise")))
    target = check_sheet_path(path, [photograph.path for photograph in photographs])
    preprocessor = Preprocessor(choose_base(model, size), "auto", interpolation, aspect, exif, decode)
    reader = PixelReader(photographs, preprocessor, augmentation, seed)
    count = min(MAX_PHOTOGRAPHS, len(photographs))
    numbers = np.linspace(0, len(photographs) - 1, count).round().astype(int).tolist() if count else []
    pixels = [reader.load(Example(number)) for number in numbers]
    write_sheet(target, draw_sheet(augmentation, pixels, [reader.digests[n] for n in numbers], seed))
