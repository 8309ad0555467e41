"""What people write around a model, to compare with `xception serve`.

Run it as `ENGINE=xception MODEL=m.keras uvicorn twelve_lines:app`, or with `ENGINE=onnxruntime`.
"""

import os

import numpy as np
from fastapi import FastAPI, UploadFile
from PIL import Image

app = FastAPI()
if os.environ["ENGINE"] == "xception":
    import xception

    model = xception.load_model(os.environ["MODEL"])

    def compute(x: np.ndarray) -> np.ndarray:
        return model.predict(x, verbose=0)
else:
    import onnxruntime

    session = onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def compute(x: np.ndarray) -> np.ndarray:
        return session.run(None, {name: x})[0]


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, float]:
    image = Image.open(file.file).convert("RGB").resize((299, 299), Image.BILINEAR)
    x = np.asarray(image, np.float32)[None] / np.float32(127.5) - np.float32(1)
    scores = compute(x)[0]
    return {"class": int(scores.argmax()), "score": float(scores.max())}
