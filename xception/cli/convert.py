"""`xception convert`: a model in a file of another framework."""

from __future__ import annotations

import argparse

from ..console.tables import lay_out_sentences
from ..conversion.converter import convert
from ..data.preprocessing import ASPECTS, CHANNEL_ORDERS, INTERPOLATIONS
from ..formats.options import IMAGE_LAYOUTS
from . import common
from .argument_types import name_list, positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "source", metavar="IN",
        help="a model: .keras, .h5, a PyTorch checkpoint (.pth, .pt, .safetensors), or a zip of "
        "Deeplearning4j",
    )  # fmt: skip
    parser.add_argument(
        "target", metavar="OUT",
        help="the file to write: .keras or .h5; .weights.h5 or .safetensors for weights; .onnx; .zip for "
        "Deeplearning4j",
    )  # fmt: skip
    parser.add_argument("--class-names", metavar="FILE", help="names of the classes (those in IN)")
    parser.add_argument(
        "--size", type=positive_int, metavar="N",
        help="height and width of the input, where IN does not record it",
    )  # fmt: skip
    parser.add_argument(
        "--layers", type=name_list, metavar="NAMES",
        help="layers whose activations become the outputs, with commas",
    )  # fmt: skip
    parser.add_argument("--softmax", action="store_true", help="add a softmax to a model that gives logits")
    parser.add_argument(
        "--channel-order", choices=CHANNEL_ORDERS, help="bgr for a model that takes blue first"
    )
    parser.add_argument(
        "--interpolation", choices=INTERPOLATIONS, metavar="FILTER",
        help=f"how photographs are resized: {', '.join(INTERPOLATIONS)}",
    )  # fmt: skip
    parser.add_argument("--aspect", choices=ASPECTS, help="how photographs are fitted into the input")
    parser.add_argument("--layout", choices=IMAGE_LAYOUTS, help="order of the axes of images in ONNX (nhwc)")
    parser.add_argument(
        "--no-fold", dest="fold", action="store_false",
        help="leave batch normalization in ONNX as it is, instead of folding it into convolutions",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="refuse a checkpoint that holds more than weights"
    )
    parser.add_argument(
        "--force", action="store_true", help="write .safetensors even if PyTorch would give other answers"
    )
    parser.add_argument(
        "--check", metavar="PHOTO", help="compare the layers of both sides, and name the first that differs"
    )
    parser.add_argument(
        "--reference", metavar="FILE",
        help="compare with activations by layer of another framework, in a .npz file, instead of with OUT",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Convert, and print what was assumed. A layer that differs is status 1."""
    size = arguments.size
    is_onnx = arguments.target.lower().endswith(".onnx")
    if not is_onnx and (arguments.layout or not arguments.fold):
        arguments.fail(f"argument {'--layout' if arguments.layout else '--no-fold'}: applies to .onnx alone")
    report = convert(
        arguments.source, arguments.target, force=arguments.force, strict=arguments.strict,
        input_shape=(size, size, None) if size else None, layers=arguments.layers, fold=arguments.fold,
        layout=arguments.layout or "nhwc", channel_order=arguments.channel_order,
        interpolation=arguments.interpolation, aspect=arguments.aspect, softmax=arguments.softmax,
        class_names=arguments.class_names, check=arguments.check, reference=arguments.reference,
    )  # fmt: skip
    layout = common.stdout_layout()
    print("\n".join(lay_out_sentences(layout.spell(str(report)), layout)))
    if report.first_difference is not None:
        return common.complain(f"{report.target}: {report.first_difference} differs; the file was written")
    return 0
