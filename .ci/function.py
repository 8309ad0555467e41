"""Check of a function for AWS Lambda: `python -S function.py PHOTOGRAPH` in the function's folder.

Its size, and that its handler answers without multiprocessing and shared memory, which Lambda does not have.
"""

import base64
import json
import os
import sys
import time
from pathlib import Path

MAX_BYTES = 262_144_000  #: of AWS Lambda, unpacked
HIDDEN = "multiprocessing", "_multiprocessing", "_posixshmem", "asyncio"


def main() -> None:
    size = sum(path.stat().st_size for path in Path().rglob("*") if path.is_file())
    print(f"unpacked, with a model of three classes: {size / 1e6:.0f} MB")
    assert size < MAX_BYTES
    for name in HIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    body = base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    event = {
        "version": "2.0", "rawPath": "/predict", "isBase64Encoded": True, "body": body,
        "requestContext": {"http": {"method": "POST", "path": "/predict"}},
    }  # fmt: skip
    sys.path.insert(0, os.getcwd())
    start = time.perf_counter()
    import handler

    loaded = time.perf_counter()
    answer = handler.handler(event)
    print(f"loaded in {loaded - start:.2f} s, first answer after {time.perf_counter() - loaded:.2f} s more")
    assert answer["statusCode"] == 200
    assert len(json.loads(answer["body"])["predictions"][0]["classes"]) == 3


if __name__ == "__main__":
    main()
