"""`predict`: what photographs show."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from functools import partial

from ..data import photographs
from ..data.imagenet import Prediction
from ..models.model import Model, Xception, load_model
from ..prediction import classifier as prediction
from .common import complaints, plain, report

Answers = list[tuple[str, list[Prediction]]]


def predict(arguments: argparse.Namespace) -> int:
    failed: list[str] = []
    complain = complaints(failed)
    photos = photographs.find(arguments.photos, complain)
    model = classifier(arguments)
    names = prediction.class_labels(model, arguments.labels, arguments.softmax)
    show, finish = {"table": _as_table, "csv": _as_csv, "json": _as_json}[arguments.format]()
    compute = partial(prediction.outputs, model, scaling=arguments.scaling)
    for batch, scores in photographs.batches(photos, prediction.image_size(model), compute, complain):
        answers = prediction.label(model, scores, names, arguments.top, arguments.softmax)
        show([(photo.path, found) for photo, found in zip(batch, answers, strict=True)])
    finish()
    return report(failed)


def classifier(arguments: argparse.Namespace) -> Model:
    if arguments.model:
        return load_model(arguments.model)
    if not arguments.weights:
        return Xception()
    from .. import formats

    classes = formats.count_classes(arguments.weights)
    if classes is None:
        raise ValueError(
            f"{arguments.weights}: holds no classifier, so it cannot say what a photograph shows; "
            "'xception features --weights' takes it"
        )
    return Xception(weights=arguments.weights, classes=classes)


# --- how answers are written ----------------------------------------------------------------


def _as_table() -> tuple[Callable[[Answers], None], Callable[[], None]]:
    def show(answers: Answers) -> None:
        for photo, predictions in answers:
            print(plain(photo))
            for class_id, name, score in predictions:
                print(plain(f"  {score:8.4f}  {class_id:>9}  {name}"))
        sys.stdout.flush()

    return show, lambda: None


def _as_csv() -> tuple[Callable[[Answers], None], Callable[[], None]]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("photo", "rank", "class_id", "label", "score"))

    def show(answers: Answers) -> None:
        for photo, predictions in answers:
            for rank, (class_id, name, score) in enumerate(predictions, start=1):
                writer.writerow((photo, rank, class_id, name, f"{score:.6g}"))
        sys.stdout.flush()

    return show, lambda: None


def _as_json() -> tuple[Callable[[Answers], None], Callable[[], None]]:
    found: list[dict[str, object]] = []

    def show(answers: Answers) -> None:
        for photo, predictions in answers:
            found.append({"photo": photo, "predictions": [p._asdict() for p in predictions]})

    return show, lambda: print(json.dumps(found, indent=2))
