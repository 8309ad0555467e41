"""The command line: parses, calls, prints.

Exit status: 0 when all went well, 1 when something could not be done (a photograph that cannot
be read, weights that are missing), 2 for wrong use.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..explanation.explainer import METHODS
from ..feature_extraction.tables import FORMATS
from ..models.feature_maps import POOLINGS
from ..prediction import classifier as prediction
from . import explain as explaining
from . import features as collecting
from . import fit as teaching
from . import predict as predicting
from . import summary as looking
from .common import complain


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
        return complain("interrupted", status=130)
    except (OSError, ValueError) as error:
        return complain(str(error))
    except Exception as error:
        if os.environ.get("XCEPTION_DEBUG"):
            raise
        return complain(
            f"a mistake of this program, {type(error).__name__}: {error}. "
            "Please report it, with what XCEPTION_DEBUG=1 adds to this"
        )
    return status


# --- parsing --------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xception", description="Xception in pure Python on NumPy: what photographs show, and features."
    )
    parser.add_argument("--version", action="version", version=f"xception {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    predict = commands.add_parser("predict", help="say what photographs show")
    _add_photos(predict)
    _add_model(predict, "weights of an Xception of your own instead of ImageNet's")
    predict.add_argument(
        "--labels", metavar="FILE", help="the classes' names: a text file with one a line, or JSON"
    )
    predict.add_argument(
        "--softmax", choices=prediction.SOFTMAXES, default="auto",
        help="whether to make probabilities of scores; auto looks whether they are (auto)",
    )  # fmt: skip
    predict.add_argument("--top", type=_positive, default=5, metavar="N", help="classes a photo (5)")
    predict.add_argument("--format", choices=("table", "json", "csv"), default="table")
    predict.set_defaults(run=predicting.predict)

    features = commands.add_parser("features", help="write features of each photograph; needs no download")
    _add_photos(features)
    features.add_argument(
        "--output", type=_table_file, required=True, metavar="FILE", help=", ".join(FORMATS)
    )
    _add_model(features, "weights of a base of your own")
    _add_layers(features)
    features.set_defaults(run=collecting.features)

    similar = commands.add_parser("similar", help="find the photographs that are most like one")
    similar.add_argument("query", metavar="QUERY", help="the photograph to look for")
    _add_photos(similar)
    similar.add_argument("--top", type=_positive, default=10, metavar="N", help="photographs (10)")
    similar.add_argument("--format", choices=("table", "json", "csv"), default="table")
    _add_model(similar, "weights of a base of your own")
    _add_layers(similar)
    similar.set_defaults(run=collecting.similar)

    explain = commands.add_parser("explain", help="show what in a photograph speaks for a class")
    _add_photos(explain)
    explain.add_argument("--method", choices=METHODS, default="grad-cam")
    explain.add_argument(
        "--class", dest="target", action="append", metavar="CLASS",
        help="its name, id or number, or a pattern: '*cat*'; may be given again (the photo's best)",
    )  # fmt: skip
    explain.add_argument("--top", type=_positive, metavar="N", help="the N best classes instead")
    explain.add_argument("--layer", metavar="NAME", help="whose maps to look at (the last)")
    explain.add_argument("--labels", metavar="FILE", help="the classes' names, as for predict")
    explain.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="a picture, or a folder for pictures"
    )
    _add_model(explain, "weights of an Xception of your own instead of ImageNet's")
    explain.set_defaults(run=explaining.explain)

    fit = commands.add_parser("fit", help="teach it your own classes, from folders of photographs")
    fit.add_argument("folder", metavar="FOLDER", help="with a sub-folder of photographs for each class")
    fit.add_argument("--output", required=True, metavar="FILE", help="the model, .keras")
    fit.add_argument(
        "--balanced", action="store_true", help="let rare classes weigh as much as frequent ones"
    )
    fit.set_defaults(run=teaching.fit)

    table = commands.add_parser("summary", help="print the table of a network's layers")
    which = table.add_mutually_exclusive_group()
    which.add_argument("file", nargs="?", metavar="FILE", help="a model (.keras, .h5); Xception by default")
    which.add_argument("--no-top", dest="top", action="store_false", help="without the classifier")
    table.add_argument("--style", choices=("keras", "dl4j"), default="keras")
    table.add_argument("--expand-nested", action="store_true", help="also networks within the network")
    table.set_defaults(run=looking.summary)

    look = commands.add_parser("inspect", help="say what a file is, what is in it, and whether it runs here")
    look.add_argument("file", metavar="FILE")
    look.add_argument("--format", choices=("text", "json"), default="text")
    look.set_defaults(run=looking.inspect)

    weights = commands.add_parser("weights", help="where the ImageNet weights are")
    actions = weights.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("path", looking.weights_path, "print where the files are, or would be"),
        ("download", looking.weights_download, "fetch the classifier's weights, unless they are here"),
        ("verify", looking.weights_verify, "check that both files are here and whole; status 1 if not"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--cache-dir", type=Path, metavar="DIR", help="the folder for downloads")
        action.set_defaults(run=run)
    return parser


def _add_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a file, a folder, or a pattern: '*.jpg'")


def _add_model(parser: argparse.ArgumentParser, weights: str) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="FILE", help="a model of your own (.keras, or a whole one as .h5)")
    which.add_argument("--weights", metavar="FILE", help=f"{weights} (.h5)")
    parser.add_argument(
        "--scaling", choices=prediction.SCALINGS, default="auto",
        help="of pixels: tf -1…1, unit 0…1, none 0…255; auto is none where the model scales, else tf (auto)",
    )  # fmt: skip


def _add_layers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layers", type=_names, metavar="NAMES", help="whose features, with commas between (the last maps)"
    )
    parser.add_argument("--pooling", choices=POOLINGS, default="avg", help="of maps over space (avg)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _table_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in FORMATS:
        raise argparse.ArgumentTypeError(f"expected a name that ends in {', '.join(FORMATS)}, got {text!r}")
    return path


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
