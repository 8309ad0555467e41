"""The files that the documentation's pages name: tiny models, a few photographs, tables."""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import small_models
from page_code import ROOT
from PIL import Image

import xception
from xception.layers import (
    Concatenate,
    Conv2D,
    Dense,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    Input,
    Layer,
    MaxPooling2D,
    SeparableConv2D,
)

CLASSES = ("cat", "dog", "fox")
PHOTOGRAPHS = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
SIZE = 71  # pixels, of the tiny models


def make_files(text: str, folder: Path) -> None:
    """Make the files that a text names.

    Args:
        text: The code of a page.
        folder: Where they are made.
    """
    for name, make in MAKERS.items():
        if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", text):
            make(folder / name)


# --- photographs ----------------------------------------------------------------------------


def link(path: Path) -> None:
    """Link a folder of the repository."""
    path.symlink_to(ROOT / path.name)


def copy_examples(path: Path) -> None:
    shutil.copytree(ROOT / path.name, path)


def photograph(path: Path) -> None:
    """Write a part of an example, another one for each number, and small enough to be decoded at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = int(path.stem) if path.stem.isdecimal() else 0
    with Image.open(
        ROOT / "examples" / ("coffee.jpg" if path.parent.name == "dog" else "chelsea.jpg")
    ) as image:
        left, top = 80 * (part % 3), 30 * (part // 3)
        image.crop((left, top, left + 200, top + 200)).resize((96, 96)).save(path)


def photographs(path: Path) -> None:
    for name in PHOTOGRAPHS:
        photograph(path / name)


def list_photographs(folder: Path) -> list[Path]:
    """Return the photographs in the sub-folders of a folder."""
    return sorted(folder.glob("*/*/*.jpg"))


def name_patients(path: Path) -> None:
    """Make more photographs, and put a key of groups into the name of each: "patient1.jpg"."""
    for number in range(3, 7):
        for name in ("cat", "dog"):
            photograph(path.with_name("photos") / name / f"{number}.jpg")
    for photo in list_photographs(path.parent):
        photo.rename(photo.with_name(path.name + photo.name))


# --- tables ---------------------------------------------------------------------------------


def text_file(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text, "utf-8") and None


def table(*columns: str) -> Callable[[Path], None]:
    """Return what writes a table of all photographs, with numbers of which each column has several."""

    def write(path: Path) -> None:
        rows = [
            ",".join(["/".join(photo.parts[-2:]), *(str((number >> bit) & 1) for bit in range(len(columns)))])
            for number, photo in enumerate(list_photographs(path.parent))
        ]
        path.write_text("\n".join([",".join(["photograph", *columns]), *rows]), "utf-8")

    return write


def manifest(path: Path) -> None:
    path.write_text("".join(f"{photo}\n" for photo in list_photographs(path.parent)), "utf-8")


def arrays(path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (6, SIZE, SIZE, 3)).astype(np.float32)
    labels = np.arange(6) % len(CLASSES)
    np.savez(path, x=images[:4], y=labels[:4], x_val=images[4:], y_val=labels[4:])


def features(path: Path) -> None:
    """Write a table of features, where the package for it is installed."""
    with suppress(xception.MissingPackageError):
        xception.features(ROOT / "examples", tiny_model(), output=path, verbose=0)


# --- models ---------------------------------------------------------------------------------


def tiny_layers(*head: tuple[str, Layer], size: int = SIZE) -> list[tuple[str, Layer]]:
    """Return layers with a few of Xception's names, and almost none of its weights."""
    return [
        ("input_layer", Input((size, size, 3))),
        ("block1_conv1", Conv2D(4, 3, strides=2, activation="relu")),
        ("block4_pool", MaxPooling2D(3, strides=2)),
        ("block13_sepconv1", SeparableConv2D(8, 3)),
        ("block13_sepconv2_bn", SeparableConv2D(8, 3, activation="relu")),
        ("block13_pool", MaxPooling2D(3, strides=2)),
        ("avg_pool", GlobalAveragePooling2D()),
        *head,
    ]


def tiny_model(*, activation: str = "softmax", classes: int = len(CLASSES)) -> xception.Model:
    head = ("predictions", Dense(classes, activation))
    return small_models.model(small_models.row("tiny", *tiny_layers(head)))


def tiny_base() -> xception.Model:
    """Return what stands for the ImageNet base in fine-tuning."""
    model = small_models.model(small_models.row("tiny", *tiny_layers()))
    model.preprocessing = xception.Preprocessing("none", interpolation="bilinear")
    return model


def classifier(path: Path) -> None:
    model = tiny_model()
    model.class_names = CLASSES
    model.save(path)


def classifier_of_labels(path: Path) -> None:
    model = tiny_model(activation="sigmoid", classes=2)
    model.task, model.class_names = "labels", ("beach", "dog")
    model.save(path)


def classifier_of_two(path: Path) -> None:
    tiny_model(activation="sigmoid", classes=2).save(path)


def regression(path: Path) -> None:
    model = tiny_model(activation="linear", classes=1)
    model.task, model.class_names = "regression", ("age",)
    model.save(path)


def of_camera_traps(path: Path) -> None:
    """A model with two outputs."""
    base = small_models.row("base", *tiny_layers())
    network = small_models.wired(
        "traps", ["image"], ["species", "young"], ("species", "young"),
        image=(Input((SIZE, SIZE, 3)),), base=(base, ["image"]),
        species=(Dense(3, "softmax"), ["base"]), young=(Dense(1, "sigmoid"), ["base"]),
    )  # fmt: skip
    small_models.model(network).save(path)


def with_measurements(path: Path) -> None:
    """A model with two inputs, a photograph and numbers."""
    base = small_models.row("base", *tiny_layers(size=299))
    network = small_models.wired(
        "measured", ["image", "measurements"], ["species"],
        image=(Input((299, 299, 3)),), measurements=(Input((2,)),), base=(base, ["image"]),
        all=(Concatenate(), ["base", "measurements"]), species=(Dense(3, "softmax"), ["all"]),
    )  # fmt: skip
    small_models.model(network).save(path)


def video(path: Path) -> None:
    base = replace(small_models.row("base", *tiny_layers(size=96)), frame_axes=1)
    network = small_models.wired(
        "video", ["frames"], ["classes"],
        frames=(Input((None, 96, 96, 3)),), time_distributed=(base, ["frames"]),
        pooled=(GlobalAveragePooling1D(), ["time_distributed"]), classes=(Dense(5, "softmax"), ["pooled"]),
    )  # fmt: skip
    small_models.model(network).save(path)


def deeplearning4j(path: Path) -> None:
    tiny_model().export(path)


def checkpoint(path: Path) -> None:
    import pytorch_files

    pytorch_files.checkpoint(path, pytorch_files.state_dict(classes=len(CLASSES)))


def weights_of_six(path: Path) -> None:
    xception.Xception(weights=None, classes=6).save_weights(path)


def weights_of_base(path: Path) -> None:
    path.symlink_to(next((ROOT / "weights").glob("*.h5")))


#: What makes each of the files and folders, by the name that pages give it, in this order.
MAKERS: dict[str, Callable[[Path], None]] = {
    "examples": copy_examples, "weights": link,
    "photos": photographs, "test_photos": photographs, "patient": name_patients,
    "photo.jpg": photograph, "one.jpg": photograph, "two.jpg": photograph, "new.jpg": photograph,
    "photographs.txt": manifest, "classes.txt": text_file("\n".join(CLASSES)),
    "labels.csv": table("beach", "dog"), "ages.csv": table("age"), "arrays.npz": arrays,
    "features.parquet": features,
    "my.keras": classifier, "model.keras": classifier, "keras.keras": classifier_of_two,
    "labels.keras": classifier_of_labels, "age.keras": regression, "traps.keras": of_camera_traps,
    "measured.keras": with_measurements, "video.keras": video, "model.zip": deeplearning4j,
    "xception.pth": checkpoint,
    "mine.weights.h5": weights_of_six, "base.h5": weights_of_base,
}  # fmt: skip
