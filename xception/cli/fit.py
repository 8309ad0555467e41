"""`fit`: a model for one's own classes, from folders of photographs."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from ..data import atomic as files
from ..data import photographs
from ..data.photographs import Photograph
from ..feature_extraction.store import FeatureStore, by_content, fingerprint
from ..models import pretrained
from ..models.factory import Xception
from ..training.softmax_regression import Fitted, fit_classifier
from ..training.transfer import SIZE, base_features, check_folders, taught
from .common import complain, complaints, plain, report


def fit(arguments: argparse.Namespace) -> int:
    folder, output = arguments.folder, Path(arguments.output)
    files.check_writable(output)
    if output.suffix != ".keras":
        raise ValueError(f"{output.name}: a model is written as .keras")
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder}: is no folder; expected one with a sub-folder for each class")
    failed: list[str] = []
    tell = complaints(failed)
    photos = photographs.find([folder], tell)
    folders = [entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."]
    for words in check_folders(photos, folders):
        complain(words)
    photos = [photo for photo in photos if photo.label]

    base = Xception(include_top=False)
    made_by = fingerprint(base, "avg", SIZE)
    with FeatureStore(pretrained.cache_dir() / "features" / made_by, made_by, by_content) as store:
        missing = store.missing(photos)
        for batch, rows in photographs.batches(missing, SIZE, lambda x: base_features(base, x), tell):
            store.add(batch, rows)
        photos, rows, order = store.rows(photos)
        features = np.asarray(rows[order])
    check_folders(photos, [])  # once more: some could not be read
    fitted = fit_classifier(features, [photo.label for photo in photos], arguments.balanced)
    _tell(fitted, photos)
    taught(base, fitted).save(output)
    print(plain(f"{output}: {len(fitted.classes)} classes, from {len(photos)} photographs"), file=sys.stderr)
    return report(failed)


def _tell(fitted: Fitted, photos: list[Photograph]) -> None:
    """What cross-validation found out."""
    left_out = "each photograph by itself" if fitted.folds == len(photos) else f"{fitted.folds} parts in turn"
    right = round(fitted.accuracy * len(photos))
    print(
        f"cross-validated accuracy {fitted.accuracy:.3f}: {right} of {len(photos)} photographs right, "
        f"{left_out} left out\n"
    )
    counts = Counter(photo.label for photo in photos)
    width = max(len(str(counts.most_common(1)[0][1])), 3)
    names = max(map(len, fitted.classes))
    print("taken for, by class")
    for number, (name, row) in enumerate(zip(fitted.classes, fitted.confusion, strict=True)):
        cells = " ".join(f"{count or '.':>{width}}" for count in row)
        print(plain(f"{number:>{width}} {name:<{names}}  {cells}"))
    print("\nleast sure")
    for i in fitted.least_sure(5):
        best = fitted.classes[fitted.probabilities[i].argmax()]
        own = fitted.probabilities[i, fitted.truth[i]]
        mistake = "" if best == photos[i].label else f", taken for {best}"
        print(plain(f"  {own:6.3f}  {photos[i].path}  ({photos[i].label}{mistake})"))
