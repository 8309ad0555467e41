"""The ImageNet weights on this machine: where they are, downloading them, verifying them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import pretrained


@dataclass(frozen=True)
class WeightsPaths:
    """Where the ImageNet weights are.

    Attributes:
        base: The shipped base.
        classifier: The whole network, if a file with the right content is on this machine.
        destination: The path to which the whole network is downloaded, or may be copied.
    """

    base: Path
    classifier: Path | None
    destination: Path


@dataclass(frozen=True)
class WeightsState:
    """The state of one weights file.

    Attributes:
        path: The file; None if it is missing.
        state: "ok", "damaged" if the content is not what it should be, or "missing".
    """

    path: Path | None
    state: Literal["ok", "damaged", "missing"]


@dataclass(frozen=True)
class WeightsReport:
    """The state of both weights files. True if both are ok.

    Attributes:
        base: The shipped base.
        classifier: The whole network.
    """

    base: WeightsState
    classifier: WeightsState

    def __bool__(self) -> bool:
        return self.ok

    @property
    def ok(self) -> bool:
        """Whether both files are there, with the right content."""
        return self.base.state == self.classifier.state == "ok"


def weights_path(cache_dir: str | os.PathLike[str] | None = None) -> WeightsPaths:
    """Return where the ImageNet weights are, without downloading anything.

    Args:
        cache_dir: The cache folder. By default XCEPTION_CACHE_DIR, or the user's cache folder.

    Raises:
        FileNotFoundError: The shipped base is missing.
        DownloadError: There is no cache folder; the message says how to set one.

    Examples:
        >>> import xception
        >>> xception.weights_path().base.name
        'xception_imagenet_notop.float16.h5'
    """
    folder = pretrained.cache_folder(cache_dir)
    return WeightsPaths(
        pretrained.shipped_base(), pretrained.cached_classifier(folder), folder / pretrained.CLASSIFIER.name
    )


def download_weights(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Download the ImageNet weights of the whole network (92 MB), unless they are on this machine.

    Args:
        cache_dir: The folder that keeps them. By default XCEPTION_CACHE_DIR, or the user's cache
            folder.

    Returns:
        The file: in `cache_dir`, or in Keras's folder if it is there already.

    Raises:
        DownloadError: The weights cannot be downloaded; the message says how to provide them.
    """
    return pretrained.classifier(pretrained.cache_folder(cache_dir))


def verify_weights(cache_dir: str | os.PathLike[str] | None = None) -> WeightsReport:
    """Compare the ImageNet weights on this machine with their published hashes.

    Args:
        cache_dir: The cache folder. By default XCEPTION_CACHE_DIR, or the user's cache folder.

    Returns:
        The state of each file. It is true if both are ok.

    Raises:
        DownloadError: There is no cache folder; the message says how to set one.

    Examples:
        >>> import xception
        >>> xception.verify_weights().base.state
        'ok'
    """
    try:
        base = _state_of(pretrained.BASE, [pretrained.shipped_base()])
    except FileNotFoundError:
        base = WeightsState(None, "missing")
    candidates = [
        folder / pretrained.CLASSIFIER.name
        for folder in (pretrained.cache_folder(cache_dir), pretrained.keras_dir())
    ]
    return WeightsReport(base, _state_of(pretrained.CLASSIFIER, candidates))


def _state_of(file: pretrained.WeightsFile, candidates: list[Path]) -> WeightsState:
    """Return the state of the first candidate with the right content, else of the first that exists."""
    existing = [path for path in candidates if path.exists()]
    for path in existing:
        if file.is_whole(path):
            return WeightsState(path, "ok")
    return WeightsState(existing[0], "damaged") if existing else WeightsState(None, "missing")
