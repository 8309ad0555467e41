"""Shared parts of the commands: arguments, classifiers, output, and messages on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from ..console.csv_text import format_row
from ..console.json_text import to_json
from ..console.progress import is_silenced
from ..console.tables import lay_out_facts
from ..console.text import terminal_safe
from ..console.text_layout import Paint, TextLayout, layout_of
from ..data.failures import Failure
from ..data.preprocessing import (
    ASPECTS,
    CHANNEL_ORDERS,
    DECODE_OPTIONS,
    EXIF_OPTIONS,
    INTERPOLATIONS,
    SCALINGS,
)
from ..data.tasks import TASKS
from .argument_types import name_list, optional_bool, positive_int, share
from .given_paths import check_before_download

if TYPE_CHECKING:
    from ..models.model import Model
    from ..prediction.classifier import Classifier


class Report(Protocol):
    """A result that can be printed within a width."""

    def to_text(self, layout: TextLayout) -> str: ...


TABLE_FORMATS = ("table", "json", "csv")
PILLOW_FILTERS = [name for name in INTERPOLATIONS if name != "nearest" and not name.startswith("tf-")]

# --- arguments ------------------------------------------------------------------------------


def add_photographs(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add PHOTO…: files, folders, patterns."""
    parser.add_argument(
        "photos", nargs="+" if required else "*", metavar="PHOTO",
        help="a file, a folder, or a pattern: '*.jpg'; local, or s3://BUCKET/...",
    )  # fmt: skip


def add_model(parser: argparse.ArgumentParser, weights: str) -> None:
    """Add --model, --weights, --scaling, and the options of `add_reading`.

    Args:
        parser: The command's parser.
        weights: What --weights takes, for its help.
    """
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="your own model: a .keras file or folder, a whole model as .h5, model.json with --weights, a "
        "PyTorch checkpoint (.pth, .pt, .safetensors), or a zip of Deeplearning4j",
    )
    parser.add_argument(
        "--size", type=positive_int, metavar="N",
        help="height and width of the photographs for a PyTorch checkpoint (299; 256 for DeepfakeBench's) or "
        "a zip of Deeplearning4j (299), which do not record them",
    )  # fmt: skip
    parser.add_argument(
        "--channel-order", choices=CHANNEL_ORDERS,
        help="bgr for a --model that takes blue first, as Deeplearning4j's own image loader gives it (as the "
        "model records, else rgb)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="FILE", help=f"weights of --model; without --model, {weights} (.h5)"
    )
    parser.add_argument(
        "--scaling", choices=("auto", *SCALINGS), default="auto",
        help="range of the pixels: tf -1 to 1, unit 0 to 1, none 0 to 255 (auto: as the model was trained)",
    )  # fmt: skip
    add_reading(parser, "as the model records, else ")


def add_reading(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Add --interpolation, --aspect, --exif and --decode.

    Args:
        parser: The command's parser.
        default: Text before the default value in the help.
    """
    parser.add_argument(
        "--interpolation", choices=INTERPOLATIONS, metavar="FILTER",
        help="how photographs are resized: nearest is what load_img and flow_from_directory do by default, "
        "tf-dataset what image_dataset_from_directory does, tf-bilinear what tf.image.resize does; "
        f"{', '.join(PILLOW_FILTERS)} are Pillow's ({default}bilinear)",
    )  # fmt: skip
    parser.add_argument(
        "--aspect", choices=ASPECTS,
        help=f"stretch photographs to the model's size, crop them, or pad them with black ({default}stretch)",
    )  # fmt: skip
    parser.add_argument(
        "--exif", choices=EXIF_OPTIONS,
        help="turn photographs upright as their EXIF orientation says, or ignore it as Keras does "
        f"({default}upright)",
    )  # fmt: skip
    parser.add_argument(
        "--decode", choices=DECODE_OPTIONS, default="exact",
        help="fast lets the decoder reduce large JPEG files before they are resized: two to three times "
        "quicker for 12 megapixels, with pixels that differ by 0.3 gray levels on average, 8 at most (exact)",
    )  # fmt: skip


def reading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of --interpolation, --aspect, --exif and --decode, as keyword arguments."""
    return {name: getattr(arguments, name) for name in ("interpolation", "aspect", "exif", "decode")}


def add_classifier(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `build_classifier`."""
    add_model(parser, "those of your own Xception instead of ImageNet's")
    parser.add_argument(
        "--class-names", metavar="FILE",
        help="names of the classes: a text file with one name per line, JSON, or .npy",
    )  # fmt: skip
    parser.add_argument(
        "--from-logits", type=optional_bool, default=None, metavar="{auto,yes,no}",
        help="whether the model's scores are logits, which are converted to probabilities (auto)",
    )  # fmt: skip
    parser.add_argument(
        "--output-name", metavar="NAME", help="the output with the scores, if the model has several"
    )
    parser.add_argument(
        "--task", choices=TASKS,
        help="what the outputs mean: one of several classes, any number of labels, or numbers (as the model "
        "records, else classes)",
    )  # fmt: skip


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Add --threshold."""
    parser.add_argument(
        "--threshold", type=share, metavar="P",
        help="of a model that gives several labels: the score from which on a photograph gets one (0.5)",
    )  # fmt: skip


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add --layers and --pooling."""
    from ..models.feature_maps import POOLINGS

    parser.add_argument(
        "--layers",
        type=name_list,
        metavar="NAMES",
        help="layers to take features from, with commas (the last maps)",
    )
    parser.add_argument(
        "--pooling", choices=POOLINGS, default="avg", help="how feature maps are pooled over space (avg)"
    )


def add_wide(parser: argparse.ArgumentParser) -> None:
    """Add --wide."""
    parser.add_argument(
        "--wide", action="store_true",
        help="of .parquet: a column for each feature, instead of one column of lists",
    )  # fmt: skip


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add --quiet, by which `main` silences progress and notes; see `note`."""
    parser.add_argument(
        "-q", "--quiet", action="store_true",
        help="only results, errors and warnings: no progress, and no note at the end",
    )  # fmt: skip


def unique(photos: Sequence[str]) -> list[str]:
    """Return the arguments without repetitions, as a shell's patterns may overlap."""
    return list(dict.fromkeys(photos))


# --- models ---------------------------------------------------------------------------------


def own_model(arguments: argparse.Namespace) -> Model | str | None:
    """Return the model of --model and --weights, the path of --model alone, or None."""
    size = getattr(arguments, "size", None)
    if size and not arguments.model:
        raise ValueError("--size is for a PyTorch checkpoint or a zip: --model FILE --size N")
    if getattr(arguments, "channel_order", None) and not arguments.model:
        raise ValueError("--channel-order is for a model of your own: --model FILE --channel-order bgr")
    if arguments.model and (arguments.weights or size or _has_reading(arguments)):
        from ..models.factory import load_model

        return load_model(
            arguments.model, arguments.weights, input_shape=(size, size, None) if size else None,
            interpolation=getattr(arguments, "interpolation", None),
            aspect=getattr(arguments, "aspect", None),
            channel_order=getattr(arguments, "channel_order", None),
        )  # fmt: skip
    path: str | None = arguments.model
    return path


def _has_reading(arguments: argparse.Namespace) -> bool:
    """Return True if an option says how photographs were prepared, as a checkpoint does not."""
    options = ("interpolation", "aspect", "channel_order")
    return any(getattr(arguments, option, None) for option in options)


def build_classifier(arguments: argparse.Namespace, model: Model | None = None) -> Classifier:
    """Build the classifier of --model, which may have been loaded, and --weights; by default ImageNet's.

    Raises:
        ValueError: The weights hold no classifier.
    """
    from ..prediction.classifier import Classifier

    source: Model | str | None = own_model(arguments) if model is None else model
    if arguments.weights and source is None:
        from ..formats import count_classes
        from ..models.factory import Xception

        classes = count_classes(arguments.weights)
        if classes is None:
            raise ValueError(
                f"{arguments.weights}: holds no classifier, so it cannot name what a photograph shows; "
                "'xception features --weights' takes it"
            )
        source = Xception(weights=arguments.weights, classes=classes)
    if source is None:
        check_before_download(getattr(arguments, "photos", []))
    return Classifier(
        source, class_names=arguments.class_names, scaling=arguments.scaling,
        from_logits=arguments.from_logits, output_name=arguments.output_name,
        task=arguments.task, threshold=getattr(arguments, "threshold", None), **reading_options(arguments),
    )  # fmt: skip


# --- output ---------------------------------------------------------------------------------


def show(text: str) -> None:
    """Print text, which may quote a file, on stdout."""
    print(terminal_safe(text))


def stdout_layout() -> TextLayout:
    """Return the layout of stdout."""
    return layout_of(sys.stdout)


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and texts on stdout, within the width of a terminal. Paths stay whole."""
    print("\n".join(lay_out_facts(facts, stdout_layout())))


def show_report(report: Report) -> None:
    """Print a report on stdout, within the width of a terminal."""
    print(report.to_text(stdout_layout()))


def complain(message: str) -> int:
    """Print a message on stderr; return the exit status of a failure."""
    return _complain(message, "red")


def warn(message: str) -> None:
    """Print a warning on stderr."""
    _complain(f"warning: {message}", "yellow")


def _complain(message: str, paint: Paint) -> int:
    layout = layout_of(sys.stderr)
    text = f"{layout.paint('xception:', paint)} {layout.spell(terminal_safe(message))}"
    with suppress(OSError, ValueError):  # nobody can read it: the work goes on
        print(text, file=sys.stderr)
    return 1


def note(message: str) -> None:
    """Print a note on stderr, unless --quiet is given."""
    if not is_silenced():
        _complain(message, "bold")


def complain_of(failure: Failure) -> None:
    """Print why a photograph could not be read."""
    complain(str(failure))


def finish(failures: int) -> int:
    """Say that so many photographs could not be read; return the exit status."""
    if failures > 1:
        complain(f"{failures:,} could not be read")
    return 1 if failures else 0


def show_json(value: Any) -> None:
    """Print a value as JSON, with null for NaN and infinity, which JSON lacks."""
    print(to_json(value, indent=2))


def show_csv(rows: Iterable[Sequence[object]], path_columns: Container[int] = (0,)) -> None:
    """Print rows as CSV.

    Args:
        rows: Their cells: numbers, text, or None.
        path_columns: The columns that hold paths.
    """
    for row in rows:
        sys.stdout.write(format_row(row, path_columns))
