"""Named pipes and devices in the place of model files and class names are refused before they are opened."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, xception
from xception.cli.main import main
from xception.models.pretrained import CLASSIFIER
folder = sys.argv[1]
for name in ("pipe", "pipe.keras", "pipe.h5"):
    os.mkfifo(f"{folder}/{name}")
model = xception.Xception(include_top=False, weights=None)
calls = {
    "load_model": xception.load_model,
    "load_weights": model.load_weights,
    "weights": lambda path: xception.Xception(weights=path),
    "inspect": xception.inspect,
    "class names": lambda path: model_names(path),
}
from xception.data.class_names import read_class_names as model_names
for path in (f"{folder}/pipe", f"{folder}/pipe.keras", f"{folder}/pipe.h5", "/dev/zero"):
    for name, call in calls.items():
        try:
            call(path)
            print("opened", name, path)
        except OSError as error:
            if "is not a regular file" not in str(error):
                print(name, error)
    if main(["inspect", path]) == 0:
        print("inspect", path)
os.mkfifo(f"{folder}/{CLASSIFIER.name}")
if xception.verify_weights(folder).classifier.state == "ok":
    print("verified")
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_named_pipes_and_devices_are_refused_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "done\n", (done.stdout, done.stderr[-2000:])
