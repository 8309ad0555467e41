"""`features` and `similar`: features of many photographs, taken up where they were left."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..data import atomic as files
from ..data import photographs
from ..data.photographs import Complain, Photograph
from ..feature_extraction import tables
from ..feature_extraction.similarity import nearest
from ..feature_extraction.store import FeatureStore, by_content, fingerprint
from ..feature_extraction.tables import Table
from ..layers import GlobalAveragePooling2D
from ..models import pretrained
from ..models.factory import Xception, load_model
from ..models.model import Model
from ..prediction import classifier as prediction
from .common import complain, complaints, plain, report


def features(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    files.check_writable(output)
    tables.check(output)
    failed: list[str] = []
    tell = complaints(failed)
    photos = photographs.find(arguments.photos, tell)
    if not photos:
        return 1
    model = base(arguments)
    made_by = fingerprint(model, arguments.layers, arguments.pooling, arguments.scaling)
    with FeatureStore(output.with_name(f".{output.name}.progress"), made_by) as store:
        found = collect(store, model, photos, arguments, tell)
        if found.photos:
            tables.write(output, found)
            count, width = len(found.photos), len(found.names)
            print(plain(f"{output}: {count} photographs, {width} features each"), file=sys.stderr)
        store.remove()
    return report(failed)


def similar(arguments: argparse.Namespace) -> int:
    failed: list[str] = []
    tell = complaints(failed)
    query = photographs.find([arguments.query], tell)
    photos = photographs.find(arguments.photos, tell)
    if not query or not photos:
        return 1
    model = base(arguments)
    made_by = fingerprint(model, arguments.layers, arguments.pooling, arguments.scaling)
    with FeatureStore(pretrained.cache_dir() / "features" / made_by, made_by, by_content) as store:
        everything = list({photo.path: photo for photo in (*query, *photos)}.values())
        found = collect(store, model, everything, arguments, tell)
        rows = np.asarray(found.rows[list(found.order)])
    places = {photo.path: row for row, photo in enumerate(found.photos)}
    answers = []
    for asked in query:
        if asked.path not in places:
            continue
        others = [photo for photo in photos if photo.path in places and photo.path != asked.path]
        closest = nearest(rows[places[asked.path]], rows[[places[p.path] for p in others]], arguments.top)
        answers.append((asked, [(others[row], cosine) for row, cosine in closest]))
    _show(answers, arguments.format)
    return report(failed)


def _show(answers: Sequence[tuple[Photograph, list[tuple[Photograph, float]]]], form: str) -> None:
    if form == "json":
        found = [
            {"photo": asked.path, "similar": [{"photo": p.path, "cosine": cosine} for p, cosine in closest]}
            for asked, closest in answers
        ]
        print(json.dumps(found, indent=2))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("photo", "rank", "similar", "cosine"))
        for asked, closest in answers:
            for rank, (photo, cosine) in enumerate(closest, start=1):
                writer.writerow((asked.path, rank, photo.path, f"{cosine:.6g}"))
    else:
        for asked, closest in answers:
            print(plain(asked.path))
            for photo, cosine in closest:
                print(plain(f"  {cosine:8.4f}  {photo.path}"))


def base(arguments: argparse.Namespace) -> Model:
    """What computes the features: a model of one's own, or the ImageNet base, with Xception's
    `avg_pool` behind it."""
    if arguments.model:
        return load_model(arguments.model)
    model = Xception(include_top=False, weights=arguments.weights or "imagenet")
    return Model(model.graph.with_layer(GlobalAveragePooling2D(), name="avg_pool"), model.parameters)


def collect(
    store: FeatureStore,
    model: Model,
    photos: Sequence[Photograph],
    arguments: argparse.Namespace,
    tell: Complain,
) -> Table:
    """The features of these photographs, those computed that are not in the store."""
    missing = store.missing(photos)
    known = len(photos) - len(missing)
    if known:
        complain(f"{known} of {len(photos)} photographs are there already")
    take = partial(model.features, layers=arguments.layers, pooling=arguments.pooling)
    compute = partial(prediction.outputs, model, scaling=arguments.scaling, compute=take)
    for batch, rows in photographs.batches(missing, prediction.image_size(model), compute, tell):
        store.add(batch, rows)
    found, rows, order = store.rows(photos)
    names = model.feature_names(arguments.layers, arguments.pooling, prediction.image_size(model))
    return Table(found, rows, order, names)
