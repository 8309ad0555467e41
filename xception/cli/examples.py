"""Examples at the end of each command's help; what they say after `xception`."""

#: Two or three for each command, the most usual first.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "predict": (
        "predict photo.jpg",
        "predict photos --top 1",
        "predict photos --model mine.keras --output predictions.csv",
    ),
    "features": (
        "features photos --output features.npz",
        "features photos --layers block4_pool --pooling max --output maps.csv",
    ),
    "gather": ("gather shards/ --output features.parquet", "gather shards/ --output part.csv --partial"),
    "similar": ("similar photo.jpg photos", "similar photo.jpg photos --top 3 --format json"),
    "explain": (
        "explain photo.jpg --output why.png",
        "explain photo.jpg --class '*cat*' --output cat.png",
    ),
    "evaluate": (
        "evaluate photos --model mine.keras",
        "evaluate photos --model mine.keras --format json",
    ),
    "fit": ("fit photos --output mine.keras", "fit photos --output mine.keras --balanced"),
    "fine-tune": (
        "fine-tune photos --output mine.keras",
        "fine-tune photos --train exit,half --epochs 20 --output mine.keras",
        "fine-tune photos --resume mine.run.keras --output mine.keras",
    ),
    "summary": ("summary", "summary mine.keras --expand-nested"),
    "inspect": ("inspect mine.keras", "inspect mine.keras --format json"),
    "convert": (
        "convert mine.keras mine.onnx",
        "convert mine.keras mine.safetensors --check photo.jpg",
    ),
    "serve": ("serve", "serve --model mine.keras --port 9000"),
    "weights": ("weights download", "weights verify"),
    "cache": ("cache info", "cache clear"),
}
