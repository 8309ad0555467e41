"""Rebuild the shipped weights: Xception's ImageNet base, kernels rounded to float16.

    python weights/rebuild.py SOURCE [OUTPUT]

SOURCE holds the exact base: Keras's own xception_weights_tf_dim_ordering_tf_kernels_notop.h5,
any weights file of the base, or a .keras model with the base as one of its layers.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import zipfile
from pathlib import Path

from xception import architecture, keras_files
from xception.keras_files import hdf5, legacy, matching, numbered
from xception.pretrained import BASE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=Path(__file__).with_name(BASE.name))
    arguments = parser.parse_args()

    graph = architecture.xception((None, None, 3), include_top=False)
    if zipfile.is_zipfile(arguments.source):
        parameters = read_nested(arguments.source, graph)
    else:
        parameters = keras_files.read_weights(arguments.source, graph)
    with hdf5.write_whole(arguments.output) as file:
        legacy.write(file, graph, parameters, rounded=True)
    content = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def read_nested(path, graph):
    """The base inside a `.keras` model: the one group of layers that fits its graph."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        weights = Path(archive.extract("model.weights.h5", folder))
        with hdf5.open_file(weights) as file:
            for group in file["layers"].values():
                if numbered.recognises(group):
                    layers, numbering = numbered.read(group), numbered.numbering(graph)
                    matched = matching.match(graph, layers, numbering, path.name)
                    return matching.load(graph, matched, weights)
    raise SystemExit(f"{path}: none of its layers is a network")


if __name__ == "__main__":
    main()
