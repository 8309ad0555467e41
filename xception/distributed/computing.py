"""Tasks of jobs: features and predictions of one photograph after the other, on one thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data import locations
from ..data.failures import NO_FAULTS
from ..data.image_memory import reuse_image_memory
from ..data.photographs import Photograph
from ..engine.lanes import enter_lane
from ..errors import JobError
from ..feature_extraction.extraction import Extractor
from ..jobs.decoding import DecodingProcess
from ..jobs.record import JobRecord, Kind
from ..jobs.runner import load_record
from ..models.model import Model
from ..prediction.classifier import Classifier
from ..prediction.preprocessing import Preprocessor
from ..storage.identity import fingerprint
from .kept_models import load_kept
from .settings import Settings, check_versions

#: The settings that say how photographs are read.
READING = ("scaling", "interpolation", "aspect", "exif", "decode")

_loading = threading.Lock()  #: a worker with several threads loads a model once


class Computer(NamedTuple):
    """What a process needs to compute photographs.

    Attributes:
        preprocessor: Reads and resizes them.
        compute: Takes pixels (1, height, width, channels), and returns the result of a photograph.
    """

    preprocessor: Preprocessor
    compute: Callable[[NDArray[Any]], Any]


def compute(
    folder: str, record: JobRecord, photographs: Iterable[Photograph], careful: bool
) -> Iterator[tuple[Photograph, Any]]:
    """Compute photographs as a job says; see `Task`."""
    with _loading:
        computer = _load_computer(folder, record.identity)
    used = computer.preprocessor
    decoder = DecodingProcess(
        target_size=used.size, interpolation=used.interpolation, aspect=used.aspect, exif=used.exif,
        decode=used.decode, channels=used.channels,
    )  # fmt: skip
    with decoder if careful else nullcontext(), reuse_image_memory(1):
        load = decoder.load if careful else used.load
        for photograph in photographs:
            yield photograph, _compute_one(computer, load, photograph)


def _compute_one(computer: Computer, load: Callable[[Any], NDArray[Any]], photograph: Photograph) -> Any:
    """Return the result of a photograph, or the exception that says why it cannot be read."""
    try:
        pixels = load(photograph.source)
    except NO_FAULTS:
        raise
    except Exception as error:  # whatever a photograph raises is its own fault
        return error
    with enter_lane():
        return computer.compute(pixels[np.newaxis])


@functools.lru_cache(maxsize=1)
def _load_computer(folder: str, identity: str) -> Computer:
    """Return what computes a job's photographs, loaded once in a process."""
    record = load_record(folder, identity)
    settings = Settings.from_dict(record.settings)
    check_versions(settings)
    model = load_kept(folder, settings)
    computer = build_computer(record.kind, model, settings)
    if fingerprint(model) != settings.kept_model:
        raise JobError(
            f"{locations.join(folder, settings.kept) if settings.kept else 'the shipped ImageNet base'}: is "
            "another model than the one that the job was prepared with"
        )
    return computer


def build_computer(kind: Kind, model: Model, settings: Settings) -> Computer:
    """Return what computes photographs with a model.

    Args:
        kind: What is computed.
        model: The model.
        settings: How.
    """
    reading = {name: getattr(settings, name) for name in READING}
    if kind == "features":
        extractor = Extractor(model, settings.layers, settings.pooling, **reading)
        return Computer(extractor.preprocessor, lambda pixels: extractor.compute(pixels)[0])
    classifier = Classifier(
        model, class_names=settings.class_names, from_logits=settings.from_logits, task=settings.task,
        threshold=settings.threshold, **reading,
    )  # fmt: skip
    return Computer(
        classifier.preprocessor,
        lambda pixels: classifier.decode(classifier.probabilities(pixels), settings.top or None)[0],
    )
