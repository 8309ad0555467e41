"""Check of the image without Docker: `python image.py PACKAGES MODEL PHOTOGRAPH`.

The command of the ENTRYPOINT in deploy/docker/Dockerfile runs with the variables of its ENV and nothing else
and, where this machine allows it, as its user and on a read-only root.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

DOCKERFILE = Path(__file__).resolve().parents[1] / "deploy" / "docker" / "Dockerfile"
PORT = "18431"


def works(*command: str) -> bool:
    """Return whether a command runs here."""
    return (
        bool(shutil.which(command[0])) and not subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    )


def isolation(user: str) -> list[str]:
    """Return what goes before the command, as far as this machine allows it."""
    before: list[str] = []
    read_only = ["unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"]
    as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
    for name, prefix in (("a read-only root", read_only), ("the image's user", as_user)):
        if works(*before, *prefix, "sh", "-c", f"exec {sys.executable} -c ''"):
            before += prefix
        else:
            print(f"not tried here: {name}")
    return before


def main() -> None:
    packages, model, photograph = (str(Path(text).resolve()) for text in sys.argv[1:])
    text = DOCKERFILE.read_text()
    entry, check = (
        json.loads(re.findall(f"^{word} .*?(\\[.*\\])$", text, re.M)[0])
        for word in ("ENTRYPOINT", "HEALTHCHECK")
    )
    (line,) = re.findall(r"^ENV (.*)$", text, re.M)
    (user,) = re.findall(r"^USER (\d+):\d+$", text, re.M)
    variables = dict(item.split("=", 1) for item in line.split())
    variables |= {"PYTHONPATH": packages, "MODEL": model, "PORT": PORT}
    variables |= {"PATH": f"{Path(sys.executable).parent}:/bin"}
    command = [*isolation(user), *entry, "--name", "classifier"]
    started = time.perf_counter()
    server = subprocess.Popen(command, env=variables, cwd="/", stderr=subprocess.PIPE, text=True)
    print(server.stderr.readline().strip(), f"after {time.perf_counter() - started:.2f} s")
    try:
        subprocess.run(check, env=variables, check=True)
        address, photo = f"http://127.0.0.1:{PORT}/predict?top=1", Path(photograph).read_bytes()
        print(urllib.request.urlopen(address, photo, timeout=60).read().decode())
        size = sum(path.stat().st_size for path in Path(packages).rglob("*") if path.is_file())
        print(f"the image's packages: {size / 1e6:.0f} MB")
    finally:
        server.terminate()
    assert server.wait(60) == 0, server.stderr.read()


if __name__ == "__main__":
    main()
