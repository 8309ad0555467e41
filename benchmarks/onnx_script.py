"""What a user would write around ONNX Runtime, to compare with: `onnx_script.py MODEL FOLDER`.

Prints path, class index and score of the best class of each photograph, as CSV.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def load(path: Path) -> np.ndarray:
    image = Image.open(path).convert("RGB").resize((299, 299), Image.BILINEAR)
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(127.5) - np.float32(1)


model, folder = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
(name,) = (value.name for value in session.get_inputs())
paths = sorted(Path(folder).glob("*.jpg"))
with ThreadPoolExecutor(2) as pool:
    pixels = pool.map(load, paths)
    for start in range(0, len(paths), 8):
        batch = paths[start : start + 8]
        (scores,) = session.run(None, {name: np.stack([next(pixels) for _ in batch])})
        for path, row in zip(batch, scores, strict=True):
            print(f"{path},{row.argmax()},{row.max():.6g}")
