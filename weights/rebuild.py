"""Rebuild the shipped weights: Xception's ImageNet base, kernels rounded to float16.

    python weights/rebuild.py SOURCE [OUTPUT]

SOURCE holds the exact base: Keras's own xception_weights_tf_dim_ordering_tf_kernels_notop.h5,
any weights file of the base, or a .keras model with the base as one of its layers.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from xception import architecture
from xception.data.atomic import replace_file
from xception.formats import read_weights
from xception.formats.hdf5.file import create_file
from xception.formats.keras import weights_by_name
from xception.graph import Network
from xception.models.pretrained import BASE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=Path(__file__).with_name(BASE.name))
    arguments = parser.parse_args()

    graph = architecture.xception((None, None, 3), include_top=False)
    parameters = read_weights(arguments.source, Network.from_graph(graph), graph)
    with replace_file(arguments.output) as unfinished, create_file(unfinished) as file:
        weights_by_name.write(file, Network.from_graph(graph), graph, parameters, float16_kernels=True)
    content = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
