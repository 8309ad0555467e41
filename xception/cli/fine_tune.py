"""`xception fine-tune`: train the last part of a network, or all of it, on folders of photographs."""

from __future__ import annotations

import argparse
from typing import Any

from ..data.tasks import TASKS
from . import common, interrupts
from .argument_types import name_list, positive_int
from .given_paths import check_folder

OPTIMIZERS = ("adam", "adamw", "sgd")
#: Options of `fine_tune` under their own names; None means that they are not given.
OPTIONS = (
    "task", "train", "epochs", "batch_size", "optimizer", "learning_rate", "statistics", "validation",
    "augment", "label_smoothing", "patience", "seed", "size", "model", "folds",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="with a sub-folder of photographs for each class; or the photographs of --labels",
    )
    parser.add_argument(
        "--output", metavar="FILE",
        help="the model of the best epoch, .keras; beside it NAME.run.keras, from which a run goes on",
    )  # fmt: skip
    parser.add_argument("--model", metavar="FILE", help="the model to begin with (the ImageNet base)")
    parser.add_argument(
        "--task", choices=TASKS,
        help="classes: one for each photograph; labels: several at once; regression: numbers (classes)",
    )  # fmt: skip
    parser.add_argument(
        "--labels", metavar="FILE.csv",
        help="for labels and regression: a column of photographs in FOLDER, then one for each label (0 or 1) "
        "or target",
    )  # fmt: skip
    _add_training(parser)
    _add_split(parser)
    parser.add_argument(
        "--log", metavar="FILE.csv", help="write a line for each epoch; with --folds, of the last training"
    )
    parser.add_argument(
        "--resume", metavar="FILE", help="go on with an interrupted run, from its NAME.run.keras"
    )
    common.add_reading(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument(
        "--train", metavar="STAGE[,STAGE...]", type=name_list,
        help="what trains: head, exit (from block 13), half (from block 8), all, norms, or the name of the "
        "first layer (exit); several stages, as in exit,half, share the epochs one after the other",
    )  # fmt: skip
    group.add_argument("--epochs", type=positive_int, metavar="N", help="the most epochs (10)")
    group.add_argument("--batch-size", type=positive_int, metavar="N", help="photographs a batch (16)")
    group.add_argument(
        "--size", type=positive_int, metavar="PIXELS",
        help="height and width of the photographs, where --model is not given (299)",
    )  # fmt: skip
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="what changes the parameters (adam)")
    group.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="its peak (3e-4 for adam and adamw, 1e-2 for sgd)"
    )
    group.add_argument(
        "--statistics", choices=("frozen", "batch"),
        help="whether normalization uses its moving statistics, or those of each batch (frozen)",
    )  # fmt: skip
    group.add_argument(
        "--augment", metavar="NAMES",
        help="random changes: flip, crop, rotation, brightness, contrast, saturation, erasing, mixup; with "
        "commas and values, as in flip,rotation=10 (none). Epochs take variants=4 of each photograph in "
        "turn, or fresh ones",
    )  # fmt: skip
    group.add_argument(
        "--preview", metavar="FILE.png", help="write a sheet of augmented photographs, and do nothing else"
    )
    group.add_argument(
        "--balanced", action="store_true", help="let rare classes weigh as much as frequent ones"
    )
    group.add_argument("--label-smoothing", type=float, metavar="SHARE", help="from 0 to 1 (0)")
    group.add_argument(
        "--patience", type=positive_int, metavar="N", help="end after N epochs without improvement (5)"
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="of the split, the order, and all that is random (0)"
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("validation")
    group.add_argument(
        "--validation", type=float, metavar="SHARE", help="the share of photographs for validation (0.2)"
    )
    group.add_argument(
        "--group-by", metavar="REGEX",
        help="photographs in whose paths it finds the same text, or the same (...), are on one side: "
        "patients, persons, videos",
    )  # fmt: skip
    group.add_argument(
        "--folds", type=positive_int, metavar="N",
        help="instead of one split, N; the model then learns from all photographs",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Train, and print how the best epoch does."""
    check_folder(arguments.folder)
    if arguments.preview and (arguments.output or arguments.resume):
        other = "--output" if arguments.output else "--resume"
        arguments.fail(f"argument --preview: not allowed with argument {other}, since it trains nothing")
    if arguments.folds and arguments.validation is not None:
        arguments.fail("argument --validation: not allowed with argument --folds, which makes the splits")
    if arguments.preview:
        return _preview(arguments)
    if not (arguments.output or arguments.resume):
        arguments.fail("the following arguments are required: --output (or --resume, or --preview)")
    from ..training.fine_tuning.tuning import fine_tune
    from ..training.splitting.grouping import PathPattern

    options: dict[str, Any] = {
        name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None
    }
    groups = None if arguments.group_by is None else PathPattern(arguments.group_by, arguments.folder)
    with interrupts.handed_over():
        result = fine_tune(
            arguments.folder, arguments.labels, balanced=arguments.balanced,
            groups=groups, output=arguments.output, resume=arguments.resume, log=arguments.log,
            on_error=common.complain_of,
            **options, **common.reading_options(arguments),
        )  # fmt: skip
    common.show_report(result)
    if result.ended_by == "interrupted":
        return interrupts.STATUS
    if arguments.output:
        common.note(f"{arguments.output}: the model of {_described(result.best_epoch)}")
    return common.finish(len(result.failures))


def _described(epoch: int) -> str:
    return f"epoch {epoch}" if epoch else "epoch 0, the solved head"


def _preview(arguments: argparse.Namespace) -> int:
    """Write a sheet of augmented photographs."""
    from ..training.fine_tuning.preview import preview_augmentation

    preview_augmentation(
        arguments.folder, arguments.preview, arguments.augment or "none", arguments.model,
        size=arguments.size, seed=arguments.seed or 0, **common.reading_options(arguments),
    )  # fmt: skip
    common.note(f"{arguments.preview}: {arguments.augment or 'no augmentation'}")
    return 0
