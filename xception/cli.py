"""The command line: parses, calls, prints.

Exit status: 0 when all went well, 1 when something could not be done (a photograph that cannot
be read, weights that are missing), 2 for wrong use.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from . import __version__, architecture, files, pretrained, summary
from .imagenet import Prediction, preprocess_input
from .images import load_image, photographs
from .kernels import Array
from .model import Model, Xception
from .prediction import BATCH, batched, image_size, label
from .progress import ProgressBar

Answers = list[tuple[str, list[Prediction]]]


def main(argv: Sequence[str] | None = None) -> int:
    # Where there is no stdout or stderr, nothing can be said there.
    sys.stdout, sys.stderr = sys.stdout or open(os.devnull, "w"), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a file's name may be anything
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module="PIL")  # metadata is no concern of the pixels
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _complain("interrupted", status=130)
    except (OSError, ValueError) as error:
        return _complain(str(error))
    except Exception as error:
        if os.environ.get("XCEPTION_DEBUG"):
            raise
        return _complain(
            f"a mistake of this program, {type(error).__name__}: {error}. "
            "Please report it, with what XCEPTION_DEBUG=1 adds to this"
        )
    return status


# --- predict and features -------------------------------------------------------------------


def _predict(arguments: argparse.Namespace) -> int:
    photos, failed = _photos(arguments.photos)
    model = _classifier(arguments.weights)
    show, finish = {"table": _as_table, "csv": _as_csv, "json": _as_json}[arguments.format]()
    for names, scores in _run(model, photos, failed):
        show(list(zip(names, label(model, scores, arguments.top), strict=True)))
    finish()
    return _report(failed)


def _features(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    files.check_place(output)
    photos, failed = _photos(arguments.photos)
    model = Xception(include_top=False, weights=arguments.weights or "imagenet", pooling="avg")
    names: list[str] = []
    rows: list[Array] = []
    for batch, features in _run(model, photos, failed):
        names += batch
        rows.append(features)
    if rows:
        write = _write_csv if output.suffix == ".csv" else _write_npz
        write(output, names, np.concatenate(rows))
        print(f"{output}: {len(names)} photographs, {rows[0].shape[1]} features each", file=sys.stderr)
    return _report(failed)


def _run(model: Model, photos: list[str], failed: list[str]) -> Iterator[tuple[list[str], Array]]:
    """(names, outputs) batch by batch; photographs that cannot be read are named in `failed`."""
    with ProgressBar(len(photos), "photo") as bar:
        for batch in batched(photos, BATCH):
            names, pixels = [], []
            for photo in batch:
                try:
                    pixels.append(load_image(photo, image_size(model)))
                    names.append(photo)
                except (OSError, ValueError) as error:
                    failed.append(photo)
                    with bar.aside():
                        _complain(str(error))
            if names:
                outputs = model.predict(preprocess_input(np.stack(pixels)), verbose=0)
                with bar.aside():
                    yield names, outputs
            bar.advance(len(batch))


def _photos(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The photographs meant by files, folders and patterns; and the arguments that name none."""
    photos: list[str] = []
    failed: list[str] = []
    for argument in arguments:
        try:
            photos += photographs(argument)
        except OSError as error:
            failed.append(argument)
            _complain(str(error))
    return list(dict.fromkeys(photos)), failed


def _classifier(weights: str | None) -> Model:
    if weights is None:
        return Xception()
    from . import keras_files

    classes = keras_files.count_classes(weights)
    if classes is None:
        raise ValueError(
            f"{weights}: holds no classifier, so it cannot say what a photograph shows; "
            "'xception features --weights' takes it"
        )
    return Xception(weights=weights, classes=classes)


def _report(failed: list[str]) -> int:
    if len(failed) > 1:
        _complain(f"{len(failed)} could not be read")
    return 1 if failed else 0


# --- how answers are written ----------------------------------------------------------------


def _as_table() -> tuple[Callable[[Answers], None], Callable[[], None]]:
    def show(answers: Answers) -> None:
        for photo, predictions in answers:
            print(photo)
            for class_id, name, score in predictions:
                print(f"  {score:8.4f}  {class_id:>9}  {name}")
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


def _write_npz(path: Path, names: list[str], features: Array) -> None:
    with files.replacing(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, names=np.array(names), features=features)


def _write_csv(path: Path, names: list[str], features: Array) -> None:
    with (
        files.replacing(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(("photo", *(f"feature_{i}" for i in range(features.shape[1]))))
        for name, row in zip(names, features, strict=True):
            writer.writerow((name, *(str(value) for value in row)))


# --- summary and weights --------------------------------------------------------------------


def _summary(arguments: argparse.Namespace) -> int:
    shape = (299, 299, 3) if arguments.top else (None, None, 3)
    print(summary.table(architecture.xception(shape, include_top=arguments.top), arguments.style))
    return 0


def _weights_path(arguments: argparse.Namespace) -> int:
    found = pretrained.cached_classifier(arguments.cache_dir)
    folder = arguments.cache_dir or pretrained.cache_dir()
    print(f"base        {pretrained.shipped_base()}")
    print(f"classifier  {found or f'{folder / pretrained.CLASSIFIER.name} (not there yet)'}")
    return 0


def _weights_download(arguments: argparse.Namespace) -> int:
    print(pretrained.classifier(arguments.cache_dir))
    return 0


def _weights_verify(arguments: argparse.Namespace) -> int:
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


# --- parsing --------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xception", description="Xception in pure Python on NumPy: what photographs show, and features."
    )
    parser.add_argument("--version", action="version", version=f"xception {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    predict = commands.add_parser("predict", help="say what photographs show")
    _add_photos(predict)
    predict.add_argument("--weights", metavar="FILE", help="weights of your own (.h5) instead of ImageNet's")
    predict.add_argument("--top", type=_positive, default=5, metavar="N", help="classes a photo (5)")
    predict.add_argument("--format", choices=("table", "json", "csv"), default="table")
    predict.set_defaults(run=_predict)

    features = commands.add_parser(
        "features", help="write 2048 features of each photograph; needs no download"
    )
    _add_photos(features)
    features.add_argument("--output", type=_table_file, required=True, metavar="FILE", help=".npz or .csv")
    features.add_argument("--weights", metavar="FILE", help="weights of a base of your own (.h5)")
    features.set_defaults(run=_features)

    table = commands.add_parser("summary", help="print the table of the network's layers")
    table.add_argument("--style", choices=("keras", "dl4j"), default="keras")
    table.add_argument("--no-top", dest="top", action="store_false", help="without the classifier")
    table.set_defaults(run=_summary)

    weights = commands.add_parser("weights", help="where the ImageNet weights are")
    actions = weights.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("path", _weights_path, "print where the files are, or would be"),
        ("download", _weights_download, "fetch the classifier's weights, unless they are here"),
        ("verify", _weights_verify, "check that both files are here and whole; status 1 if not"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--cache-dir", type=Path, metavar="DIR", help="the folder for downloads")
        action.set_defaults(run=run)
    return parser


def _add_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a file, a folder, or a pattern: '*.jpg'")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _table_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".npz", ".csv"):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .npz or .csv, got {text!r}")
    return path


def _complain(message: str, status: int = 1) -> int:
    print(f"xception: {message}", file=sys.stderr)
    return status
