"""Pixels of the photographs of a run, as they are or augmented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ...data.augmentation import Augmentation
from ...data.photographs import Photograph
from ...locks import OwnedLock
from ...prediction.preprocessing import Preprocessor
from ..splitting.joining import digest_pixels
from .borders import Example

#: Open files and PIL images may be given several times, but not be read by several threads.
_reading = OwnedLock("reading an open file or an image")


class PixelReader:
    """Reads photographs, and augments them.

    A photograph that is no file is read once, since an open file cannot be read again.

    Args:
        photographs: The photographs.
        preprocessor: Reads and resizes them.
        augmentation: What changes them.
        seed: Decides the changes.

    Attributes:
        digests: A digest of the pixels of each photograph that was read as it is, by its number. Equal pixels
            have equal digests, whatever file they are in.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        preprocessor: Preprocessor,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._photographs, self._preprocessor = photographs, preprocessor
        self._augmentation, self._seed = augmentation, seed
        self._kept: dict[int, NDArray[Any]] = {}
        self.digests: dict[int, str] = {}

    def load(self, example: Example) -> NDArray[Any]:
        """Return the pixels (h, w, c), 0…255, of an example.

        Args:
            example: A photograph, or a variant of one that was read as it is before.
        """
        number, variant = example
        pixels = self._read(number)
        if number not in self.digests:
            self.digests[number] = digest_pixels(pixels)
        if variant is None:
            return pixels
        # By its content, so that activations of a variant are found again in another run.
        return self._augmentation.apply(pixels, self._seed, variant, self.digests[number])

    def _read(self, number: int) -> NDArray[Any]:
        source = self._photographs[number].source
        if isinstance(source, str):
            return self._preprocessor.load(source)
        with _reading.hold():
            if number not in self._kept:
                # An array of the right size would be returned as it is, and its owner may change it.
                self._kept[number] = self._preprocessor.load(source).copy()
            return self._kept[number]
