"""Request for a job: a model, and what it is to compute, decided once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..feature_extraction.extraction import Extractor
from ..jobs.record import Kind
from ..models.factory import load_model
from ..models.feature_maps import Pooling
from ..models.layer import as_layer_names
from ..models.model import Model
from ..prediction.classifier import Classifier, ClassNamesArgument, ModelArgument, as_classifier, as_model
from ..prediction.decoding import DEFAULT_TOP
from ..prediction.preprocessing import Preprocessor
from ..storage.identity import fingerprint
from .settings import Settings, versions


@dataclass(frozen=True)
class Request:
    """What the caller of `prepare` asks for, without the photographs.

    Attributes:
        kind: "features" or "predictions".
        argument: What was given as a model.
        model: The model that it stands for.
        settings: What decides the results, before the model is kept in the job's folder.
        names: The names of the features; none of predictions.
    """

    kind: Kind
    argument: ModelArgument
    model: Model
    settings: Settings
    names: list[str]

    @property
    def is_shipped(self) -> bool:
        """Whether the model is the ImageNet base, which every worker has."""
        return self.kind == "features" and self.argument is None

    def settings_with(self, path: Path | None) -> Settings:
        """Return the settings of a job whose model is kept as this file; None for the shipped base."""
        if path is None:
            return self.settings
        # A model that is saved and read again computes the same, but its layers may name more settings.
        kept_model = fingerprint(load_model(path))
        return replace(self.settings, kept=f"model{path.suffix}", kept_model=kept_model)


def request_features(
    argument: ModelArgument, layers: str | Sequence[str] | None, pooling: Pooling, reading: dict[str, Any]
) -> Request:
    """Return the request for a job that computes features; see `Extractor` for the arguments."""
    extractor = Extractor(argument, layers, pooling, **reading)
    settings = _settings(
        extractor.model, extractor.preprocessor,
        layers=None if layers is None else tuple(as_layer_names(layers)), pooling=pooling,
    )  # fmt: skip
    return Request("features", argument, extractor.model, settings, extractor.names)


def request_predictions(
    argument: ModelArgument,
    top: int | None,
    class_names: ClassNamesArgument,
    from_logits: bool | None,
    output_name: str | None,
    reading: dict[str, Any],
) -> Request:
    """Return the request for a job that computes predictions; see `predict` for the arguments."""
    model = as_model(argument)
    classifier = as_classifier(
        argument if isinstance(argument, Classifier) else model,
        class_names=class_names, from_logits=from_logits, output_name=output_name, **reading,
    )  # fmt: skip
    if classifier.model is not model:  # it has several outputs, and only what computes one of them is kept
        argument = classifier
    classifier.decoder.check_top(top)
    if top is None and classifier.task == "classes":
        top = DEFAULT_TOP
    settings = _settings(
        classifier.model, classifier.preprocessor, top=top or 0, class_names=classifier.class_names,
        from_logits=classifier.decoder.activation != "none", task=classifier.task,
        threshold=classifier.threshold if classifier.task == "labels" else None,
    )  # fmt: skip
    return Request("predictions", argument, classifier.model, settings, [])


def _settings(model: Model, used: Preprocessor, **others: Any) -> Settings:
    digest, (own, pillow) = fingerprint(model), versions()
    return Settings(
        xception=own, pillow=pillow, model=digest, kept=None, kept_model=digest, scaling=used.scaling,
        interpolation=used.interpolation, aspect=used.aspect, exif=used.exif, decode=used.decode, **others,
    )  # fmt: skip
