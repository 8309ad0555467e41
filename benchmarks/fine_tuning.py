"""Held-out accuracy of `fine_tune`, beside that of `fit`. README.md in this folder explains how."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SEEDS = 5
STAMPS = Path("/usr/share/tuxpaint/stamps")  #: where Debian's tuxpaint-stamps-default puts them
CHOICE_EPOCHS = 12
CHOICE_VALIDATION = 0.4
CELL = 32  #: pixels each way, of a piece of a texture
#: The kinds of photographs, and their folders.
KINDS = {
    "bird": "animals/birds",
    "flower": "plants/flowers",
    "fruit": "food/fruit",
    "mammal": "animals/mammals",
    "vegetable": "food/vegetables",
}
#: Parts of paths of pictures that are no photographs.
DRAWN = ("cartoon", "toys", "plastic")
LONGEST_SIDE = 300  #: pixels, of a photograph that is written


@dataclass(frozen=True)
class Divided:
    """Photographs of one seed. Their folders are their classes."""

    training: list[Path]
    held_out: list[Path]


@dataclass(frozen=True)
class Method:
    """A way to make a classifier.

    Attributes:
        name: Its name in the results.
        train: What trains; None for a classifier of the features of the network as it is.
        size: Pixels each way; None for the set's own, which is smaller than 299.
        learning_rate: The peak, or None for the default.
        optimizer: The optimizer's name.
        augment: The augmentation, or None.
        statistics: Of normalization.
    """

    name: str
    train: str | None = None
    size: int | None = None
    learning_rate: float | None = None
    optimizer: str = "adam"
    augment: str | None = None
    statistics: str = "frozen"


METHODS = (
    Method("fit", size=299),
    Method("fit, small"),
    Method("exit", "exit"),
    Method("half", "half"),
    Method("exit, augmented", "exit", augment="crop,rotation=10"),
    Method("exit, 299", "exit", 299),
)
#: What default learning rates are chosen by, on digits that are in no other set.
CHOICES = (
    *(Method(f"adam {rate:g}", "exit", learning_rate=rate) for rate in (1e-4, 3e-4, 1e-3)),
    *(Method(f"sgd {rate:g}", "exit", learning_rate=rate, optimizer="sgd") for rate in (1e-2, 3e-2)),
    Method("adam 0.001, statistics of the batch", "exit", learning_rate=1e-3, statistics="batch"),
)


@dataclass(frozen=True)
class Set:
    """A set of photographs.

    Attributes:
        name: Its name.
        title: What is in it.
        size: Pixels each way, where methods do not say.
        methods: What is measured.
        write: Writes the photographs into a folder, with a sub-folder for each class. It is also given the
            folder of Tux Paint's stamps.
        divide: Returns the photographs of a seed; None where nothing is held out, and methods are compared by
            the validation of `fine_tune`.
    """

    name: str
    title: str
    size: int
    methods: tuple[Method, ...]
    write: Callable[[Path, Path], None]
    divide: Callable[[Path, int], Divided] | None


# --- sets -----------------------------------------------------------------------------------


def write_digits(folder: Path, sides: dict[str, tuple[int, int]]) -> None:
    """Write digits of scikit-learn, 8×8 pixels, dark on white.

    Args:
        folder: Where to.
        sides: For each side, where it begins and ends among the digits of each class.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    for digit in range(10):
        numbers = order[digits.target[order] == digit]
        for side, (begin, end) in sides.items():
            for number in numbers[begin:end]:
                pixels = (255 - digits.images[number] * (255 / 16)).round().astype(np.uint8)
                save(Image.fromarray(pixels), folder / side / str(digit) / f"{number:04}.png")


def write_textures(folder: Path, stamps: Path) -> None:
    """Write pieces of three pictures of scikit-image: training from left halves, the rest from right ones."""
    from skimage import data

    for name in ("brick", "grass", "gravel"):
        picture = getattr(data, name)().astype(np.float32)
        picture = ((picture - picture.mean()) / picture.std() * 50 + 128).clip(0, 255).astype(np.uint8)
        middle = picture.shape[1] // 2
        for side, half in (("training", picture[:, :middle]), ("held_out", picture[:, middle:])):
            cells = [
                half[top : top + CELL, left : left + CELL]
                for top in range(0, half.shape[0] - CELL + 1, CELL)
                for left in range(0, half.shape[1] - CELL + 1, CELL)
            ]
            for number in np.random.default_rng(0).permutation(len(cells))[:40]:
                save(Image.fromarray(cells[number]), folder / side / name / f"{number:04}.png")


def write_photographs(folder: Path, stamps: Path) -> None:
    """Write the photographs among Tux Paint's stamps, on white."""
    for kind, place in KINDS.items():
        paths = [
            path
            for path in sorted((stamps / place).rglob("*.png"))
            if not set(DRAWN) & set(path.relative_to(stamps).parts)
        ]
        if not paths:
            raise SystemExit(f"{stamps / place}: no photographs; give the folder of the stamps as --stamps")
        for path in paths:
            with Image.open(path) as opened:
                image = opened.convert("RGBA")
            image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            white = Image.new("RGBA", image.size, "white")
            white.alpha_composite(image)
            save(white.convert("RGB"), folder / "all" / kind / path.name)


def save(image: Image.Image, path: Path) -> None:
    """Write an image, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def draw_training(per_class: int) -> Callable[[Path, int], Divided]:
    """Return a division that draws so many of each class for training, and holds out a fixed side."""

    def divide(folder: Path, seed: int) -> Divided:
        rng = np.random.default_rng(seed)
        training = []
        for paths in by_class(folder / "training"):
            training += [paths[number] for number in rng.permutation(len(paths))[:per_class]]
        held_out = [path for paths in by_class(folder / "held_out") for path in paths]
        return Divided(training, held_out)

    return divide


def halve(folder: Path, seed: int) -> Divided:
    """Train on one half of each class, and hold the other out."""
    rng = np.random.default_rng(seed)
    training, held_out = [], []
    for paths in by_class(folder / "all"):
        order = rng.permutation(len(paths))
        middle = len(paths) // 2
        training += [paths[number] for number in order[:middle]]
        held_out += [paths[number] for number in order[middle:]]
    return Divided(training, held_out)


def by_class(folder: Path) -> list[list[Path]]:
    """Return the photographs of each class."""
    return [sorted(place.iterdir()) for place in sorted(folder.iterdir())]


def classes(paths: Sequence[Path]) -> list[str]:
    return [path.parent.name for path in paths]


SETS = (
    Set(
        "digits", "handwritten digits of 8×8 pixels", 100, METHODS,
        lambda folder, _: write_digits(folder, {"training": (0, 20), "held_out": (20, 40)}),
        draw_training(15),
    ),
    Set(
        "more digits", "the same are held out, and more train", 100, METHODS,
        lambda folder, _: write_digits(folder, {"training": (65, 115), "held_out": (20, 40)}),
        draw_training(40),
    ),
    Set("textures", "pieces of brick, grass and gravel, 32×32 pixels", 100, METHODS, write_textures,
        draw_training(20)),
    Set("photographs", "birds, flowers, fruit, mammals, vegetables", 150, METHODS, write_photographs, halve),
    Set(
        "other digits", "digits that are in no other set", 100, CHOICES,
        lambda folder, _: write_digits(folder, {"all": (40, 65)}), None,
    ),
)  # fmt: skip


# --- measuring ------------------------------------------------------------------------------


def measure(folder: Path, data: Set, method: Method, seed: int) -> dict[str, object]:
    """Train with one seed, and return the held-out accuracy and the processor time of training.

    Args:
        folder: The photographs of the set.
        data: The set.
        method: How to train.
        seed: Decides which photographs train, and everything that is random in training.
    """
    import xception

    size = method.size or data.size
    result: dict[str, object] = {"set": data.name, "method": method.name, "size": size, "seed": seed}
    if data.divide is None:
        paths = [path for own in by_class(folder / "all") for path in own]
        tuned = tune(paths, method, size, seed, validation=CHOICE_VALIDATION, epochs=CHOICE_EPOCHS)
        accuracies, losses = tuned.history.history["val_accuracy"], tuned.history.history["val_loss"]
        count = tuned.validation.figures.count
        return {
            **result, "training": len(paths) - count, "held out": count, "accuracy": accuracies[-1],
            "loss": losses[-1], "first accuracy": accuracies[0], "first loss": losses[0],
        }  # fmt: skip
    divided = data.divide(folder, seed)
    result |= {"training": len(divided.training), "held out": len(divided.held_out)}
    if method.train is None:
        return result | {"accuracy": measure_classifier(divided, size)}
    begun = time.process_time()
    tuned = tune(divided.training, method, size, seed)
    result |= {"seconds": round(time.process_time() - begun, 1), "best epoch": tuned.best_epoch}
    held_out = xception.evaluate(divided.held_out, classes(divided.held_out), tuned.model, verbose=0)
    return result | {"accuracy": held_out.accuracy}


def tune(
    paths: list[Path],
    method: Method,
    size: int,
    seed: int,
    validation: float = 0.2,
    epochs: int | None = None,
):
    """Fine-tune, with the defaults for everything that the method does not say.

    Args:
        paths: The photographs, whose folders are their classes.
        method: How to train.
        size: Pixels each way.
        seed: Decides everything that is random.
        validation: The share of photographs for validation.
        epochs: All of which are trained; None for the default, and early stopping.
    """
    import xception

    options = {} if epochs is None else {"epochs": epochs, "patience": epochs}
    return xception.fine_tune(
        paths, classes(paths), train=method.train, size=size, optimizer=method.optimizer,
        learning_rate=method.learning_rate, statistics=method.statistics, augment=method.augment,
        validation=validation, seed=seed, verbose=0, **options,
    )  # fmt: skip


def measure_classifier(divided: Divided, size: int) -> float:
    """Return the accuracy of the classifier that `fit` makes, on photographs of this size.

    `fit` reads photographs at 299×299. Features of other sizes are given to the same regression. They are
    kept in the cache, so that each photograph is computed once for all seeds.
    """
    import xception
    from xception.training.fine_tuning.starting_model import pixel_base
    from xception.training.regression.softmax_regression import fit_softmax_regression

    if size == 299:
        fitted = xception.fit(divided.training, classes(divided.training), verbose=0)
        kernel, bias = (fitted.parameters["predictions"][name] for name in ("kernel", "bias"))
        base = None
    else:
        base = pixel_base((size, size))
        values = xception.features(divided.training, base, verbose=0).values
        regression = fit_softmax_regression(values, classes(divided.training))
        kernel, bias = regression.kernel, regression.bias
    values = xception.features(divided.held_out, base, verbose=0).values
    names = sorted(set(classes(divided.training)))  # in this order
    chosen = [names[index] for index in (values @ kernel + bias).argmax(axis=1)]
    return float(np.mean(np.array(chosen) == np.array(classes(divided.held_out))))


# --- report ---------------------------------------------------------------------------------


def report(rows: Sequence[dict[str, object]]) -> str:
    """Return a table for each set."""
    texts = []
    for data in SETS:
        own = [row for row in rows if row["set"] == data.name]
        lines = []
        for method in data.methods:
            mine = [row for row in own if row["method"] == method.name]
            if mine:
                describe = accuracy_row if data.divide else choice_row
                lines.append((f"{method.name}, {mine[0]['size']}", str(len(mine)), *describe(mine)))
        if lines:
            header = ("method, size", "seeds", *(ACCURACY_HEADER if data.divide else CHOICE_HEADER))
            counts = f"{own[0]['training']} photographs train, {own[0]['held out']} do not"
            table = markdown([header, ("---",) * len(header), *lines])
            texts.append(f"## {data.name}: {data.title}\n\n{counts}.\n\n{table}")
    return "\n".join(texts)


ACCURACY_HEADER = ("held-out accuracy, %", "deviation", "lowest to highest", "best epochs", "seconds")


def accuracy_row(rows: Sequence[dict[str, object]]) -> tuple[str, ...]:
    """Return the mean and the spread over the seeds."""
    accuracies = [100 * value for value in column(rows, "accuracy")]
    seconds = column(rows, "seconds")
    return (
        f"{statistics.mean(accuracies):.1f}",
        f"{statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else "",
        f"{min(accuracies):.1f} to {max(accuracies):.1f}",
        ", ".join(f"{epoch:.0f}" for epoch in column(rows, "best epoch")),
        f"{statistics.mean(seconds):.0f}" if seconds else "",
    )


CHOICE_HEADER = ("accuracy before", "accuracy after", "loss before", "loss after")


def choice_row(rows: Sequence[dict[str, object]]) -> tuple[str, ...]:
    """Return the validation figures of the solved head and of the last epoch, means over the seeds."""
    names = ("first accuracy", "accuracy", "first loss", "loss")
    return tuple(f"{statistics.mean(column(rows, name)):.3f}" for name in names)


def column(rows: Sequence[dict[str, object]], name: str) -> list[float]:
    """Return the numbers of a name, where there are any."""
    return [float(row[name]) for row in rows if name in row]  # type: ignore[arg-type]


def markdown(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", default=",".join(data.name for data in SETS), help="with commas (%(default)s)"
    )
    parser.add_argument("--methods", help="with semicolons, such as 'fit;exit' (all)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--stamps", type=Path, default=STAMPS, help="Tux Paint's stamps (%(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("fine_tuning.jsonl"),
        help="gets a line for each run; those that it has are not repeated (%(default)s)",
    )
    options = parser.parse_args()
    rows = []
    if options.output.exists():
        rows = [json.loads(line) for line in options.output.read_text().splitlines()]
    done = {(row["set"], row["method"], row["seed"]) for row in rows}
    warnings.simplefilter("ignore")  # of few photographs, and of classes that are numbers
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))  # before the library looks for its cache
        import xception

        xception.set_num_threads(options.threads)
        for data in (data for data in SETS if data.name in options.sets.split(",")):
            folder = Path(name, data.name)
            data.write(folder, options.stamps)
            for method in data.methods:
                if options.methods and method.name not in options.methods.split(";"):
                    continue
                for seed in range(options.seeds):
                    if (data.name, method.name, seed) in done:
                        continue
                    row = measure(folder, data, method, seed)
                    rows.append(row)
                    print(row, file=sys.stderr, flush=True)
                    with options.output.open("a") as output:
                        output.write(json.dumps(row) + "\n")
    print(report(rows))


if __name__ == "__main__":
    main()
