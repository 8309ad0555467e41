"""`summary`, `inspect` and `weights`: what there is, without computing anything."""

from __future__ import annotations

import argparse
import json

from .. import architecture
from ..models import pretrained
from ..models import summary as summaries
from ..models.model import load_model
from .common import complain, plain


def summary(arguments: argparse.Namespace) -> int:
    if arguments.file:
        load_model(arguments.file).summary(
            arguments.style, lambda table: print(plain(table)), arguments.expand_nested
        )
        return 0
    shape = (299, 299, 3) if arguments.top else (None, None, 3)
    print(summaries.table(architecture.xception(shape, include_top=arguments.top), arguments.style))
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    from ..inspection.inspector import inspect as inspection

    found = inspection(arguments.file)
    if arguments.format == "json":
        print(json.dumps(found.to_dict(), indent=2, default=str))
    else:
        print(plain(str(found)))
    return complain(f"{found.file}: {found.damage}") if found.damage else 0


def weights_path(arguments: argparse.Namespace) -> int:
    found = pretrained.cached_classifier(arguments.cache_dir)
    folder = arguments.cache_dir or pretrained.cache_dir()
    print(f"base        {pretrained.shipped_base()}")
    print(f"classifier  {found or f'{folder / pretrained.CLASSIFIER.name} (not there yet)'}")
    return 0


def weights_download(arguments: argparse.Namespace) -> int:
    print(pretrained.classifier(arguments.cache_dir))
    return 0


def weights_verify(arguments: argparse.Namespace) -> int:
    """Whether each file that the library may use is here, and is what it should be."""
    base = pretrained.shipped_base()
    whole = [pretrained.BASE.is_whole(base)]
    print(f"base        {'ok' if whole[0] else 'DAMAGED: install the package again'}  {base}")
    found = pretrained.cached_classifier(arguments.cache_dir)
    whole.append(found is not None)
    if found:
        print(f"classifier  ok  {found}")
    else:
        places = (arguments.cache_dir or pretrained.cache_dir(), pretrained.keras_dir())
        there = [place for place in places if (place / pretrained.CLASSIFIER.name).exists()]
        state = "DAMAGED" if there else "not on this machine"
        print(f"classifier  {state}: 'xception weights download' fetches it")
        for place in there:
            print(f"            {place / pretrained.CLASSIFIER.name}")
    return 0 if all(whole) else 1
