"""Draws the pictures of the README and the gallery that need a trained classifier.

The site is built without one, so these pictures are stored, in docs/images/. Any classifier of one's own
gives others:

    python docs/site/pictures.py my.keras --class-names classes.txt
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

import xception
from xception.explanation.lettering import Lettering

if TYPE_CHECKING:
    from xception import Classifier, Prediction

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
PHOTOGRAPH = ROOT / "examples" / "coffee.jpg"
QUALITY = 85
WIDTH, HEIGHT = 1200, 316  # of the README's picture
PHOTOGRAPH_WIDTH, GAP = 416, 16
BAR_COLOR, GROUND, INK = "#3f51b5", "#e8eaf6", "#1a1a1a"


def draw_overview(classifier: Classifier) -> Image.Image:
    """Draw a photograph, its best classes as bars, and the heat map of the best."""
    ((*best,),) = xception.predict(PHOTOGRAPH, classifier, top=3, verbose=0)
    explanation = xception.explain(PHOTOGRAPH, classifier, verbose=0)
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "white")
    for left, picture in (
        (0, Image.open(PHOTOGRAPH)),
        (WIDTH - PHOTOGRAPH_WIDTH, explanation.overlay(alpha=0.65)),
    ):
        height = round(PHOTOGRAPH_WIDTH * picture.height / picture.width)
        sheet.paste(
            picture.convert("RGB").resize((PHOTOGRAPH_WIDTH, height), Image.Resampling.LANCZOS), (left, 0)
        )
    canvas, letters = ImageDraw.Draw(sheet), Lettering(20)
    width = WIDTH - 2 * PHOTOGRAPH_WIDTH - 2 * GAP
    for number, prediction in enumerate(best):
        draw_bar(canvas, letters, (PHOTOGRAPH_WIDTH + GAP, 34 + 74 * number, width), prediction)
    small = Lettering(18)
    captions = {
        0: "the photograph",
        PHOTOGRAPH_WIDTH + GAP: "what it shows",
        WIDTH - PHOTOGRAPH_WIDTH: f"what speaks for “{best[0].class_name}”",
    }
    for left, caption in captions.items():
        small.draw(canvas, left, HEIGHT - 28, caption, "#5a5a5a")
    return sheet


def draw_bar(
    canvas: ImageDraw.ImageDraw, letters: Lettering, place: tuple[int, int, int], prediction: Prediction
) -> None:
    """Draw a class's name, its probability, and a bar, at (left, top, width)."""
    left, top, width = place
    percent = f"{100 * prediction.score:.1f} %"
    letters.draw(canvas, left, top, prediction.class_name, INK)
    letters.draw(canvas, left + width - letters.width(percent), top, percent, INK)
    box = (left, top + 30, left + width, top + 46)
    canvas.rounded_rectangle(box, 4, GROUND)
    canvas.rounded_rectangle((*box[:2], left + max(8, round(width * prediction.score)), box[3]), 4, BAR_COLOR)


def main() -> None:
    """Draw the pictures into docs/images/."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a classifier")
    parser.add_argument("--class-names", help="a file with the names of its classes")
    arguments = parser.parse_args()
    classifier = xception.Classifier(arguments.model, class_names=arguments.class_names)
    pictures = {
        "overview": draw_overview(classifier),
        "explanation": xception.explain(PHOTOGRAPH, classifier, top=3, verbose=0).picture(),
    }
    for method in ("score-cam", "occlusion"):
        explanation = xception.explain(PHOTOGRAPH, classifier, method=method, verbose=0)
        pictures[f"explanation-{method}"] = explanation.picture()
    for name, picture in pictures.items():
        picture.save(IMAGES / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
