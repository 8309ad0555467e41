"""Preparation of a job: its list of photographs, its model, and the record of both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..console.progress import Verbose
from ..data.preprocessing import Aspect, Exif, Interpolation, ScalingArgument
from ..jobs.job import Job
from ..jobs.record import Kind
from ..models.feature_maps import Pooling
from ..prediction.classifier import ClassNamesArgument, ModelArgument

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

DEFAULT_SHARD = 5000  #: photographs: minutes of work, 41 MB of 2048 features


def prepare(
    images: ImagesLike | None,
    output: str | os.PathLike[str],
    model: ModelArgument = None,
    *,
    task: Kind = "features",
    shard: int = DEFAULT_SHARD,
    manifest: str | os.PathLike[str] | None = None,
    layers: str | Sequence[str] | None = None,
    pooling: Pooling = "avg",
    top: int = 5,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    from_logits: bool | None = None,
    output_name: str | None = None,
    verbose: Verbose = "auto",
) -> Job:
    """Prepare a job at a folder, or take up the one that is there."""
    raise NotImplementedError
