"""Where the ImageNet weights come from: shipped, cached, or downloaded and checked.

The base (everything before the classifier) is shipped with this project, rounded to float16.
The whole network is the file that Keras publishes, in float32. It is looked for in this
library's cache folder and in Keras's, and fetched where neither has it.

Environment: XCEPTION_CACHE_DIR chooses the cache folder; XCEPTION_WEIGHTS_URL points to a
mirror (a folder's address, or the file's own); KERAS_HOME moves Keras's folder.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import DownloadError

URL = "https://storage.googleapis.com/tensorflow/keras-applications/xception/"


@dataclass(frozen=True)
class WeightsFile:
    """A file of known content."""

    name: str
    sha256: str
    size: int  #: in bytes

    def is_whole(self, path: Path) -> bool:
        """Whether the file at `path` is this one, to the last bit."""
        import hashlib

        try:
            if not path.is_file() or path.stat().st_size != self.size:
                return False
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except OSError:  # what cannot be read is of no use
            return False


CLASSIFIER = WeightsFile(
    "xception_weights_tf_dim_ordering_tf_kernels.h5",
    "c5bf1c05b020c4177164039b854c3ef92b16b73384734647c1f0ad5cf79f6975",
    91_884_032,
)
BASE = WeightsFile(
    "xception_imagenet_notop.float16.h5",
    "3593ada31537093c5a84c5790696cc637502f5e2910c514924822a57c48ae536",
    42_248_080,
)


def shipped_base() -> Path:
    """The base's weights: inside the installed package, or beside it in a source checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "weights", package.parent / "weights"):
        if (folder / BASE.name).is_file():
            return folder / BASE.name
    raise FileNotFoundError(
        f"{BASE.name}: should be shipped with xception, but is in neither {package / 'weights'} "
        f"nor {package.parent / 'weights'}; install the package again"
    )


def cache_dir() -> Path:
    """The folder in which downloads are kept."""
    chosen = os.environ.get("XCEPTION_CACHE_DIR")
    try:
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        return platformdirs.user_cache_path("xception", appauthor=False)
    except RuntimeError as error:
        raise DownloadError(f"no cache folder: {error}; set XCEPTION_CACHE_DIR to one") from None


def keras_dir() -> Path:
    """The folder in which Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path(os.path.expanduser("~")) / ".keras") / "models"


def weights_url() -> str:
    """The address of the whole network's weights; a mirror's if one is set."""
    mirror = os.environ.get("XCEPTION_WEIGHTS_URL") or URL
    return mirror if mirror.partition("?")[0].endswith(".h5") else f"{mirror.rstrip('/')}/{CLASSIFIER.name}"


def cached_classifier(folder: Path | None = None) -> Path | None:
    """The whole network's weights, if this machine has them and their hash is right."""
    for place in (folder or cache_dir(), keras_dir()):
        path = place / CLASSIFIER.name
        if CLASSIFIER.is_whole(path):
            return path
    return None


def classifier(folder: Path | None = None) -> Path:
    """The whole network's weights: from a cache, else downloaded into `folder`.

    The download goes to a temporary file beside its place, which takes the final name only when
    its hash is right, so that several processes at once do each other no harm. A download that
    breaks off starts again at the next call. Raises DownloadError.
    """
    return cached_classifier(folder) or _download(folder or cache_dir())


def _download(folder: Path) -> Path:
    import pooch

    url = weights_url()
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr is not None, chunk_size=1 << 20, timeout=(10, 60)
    )
    try:
        path = Path(
            pooch.retrieve(
                url, f"sha256:{CLASSIFIER.sha256}", fname=CLASSIFIER.name, path=folder, downloader=downloader
            )
        )
        path.chmod(0o644)  # temporary files are private, but others may share this cache
    except (OSError, ValueError) as error:
        raise DownloadError(_guidance(url, folder, error)) from error
    return path


def _guidance(url: str, folder: Path, error: Exception) -> str:
    return (
        f"the ImageNet weights with the classifier are not on this machine, and could not be downloaded.\n"
        f"  file:   {CLASSIFIER.name} ({CLASSIFIER.size:,} bytes)\n"
        f"  from:   {url}\n"
        f"  sha256: {CLASSIFIER.sha256}\n"
        f"  put it: {folder}\n"
        f"  reason: {_reason(error)}\n"
        "Without a network, copy the file into that folder, or set XCEPTION_WEIGHTS_URL to a mirror. "
        "Features need no download: Xception(include_top=False) uses weights that are shipped."
    )


def _reason(error: Exception) -> str:
    text = str(error)
    if "hash of downloaded file" in text:
        return "what came from there is not this file: its sha256 differs"
    return " ".join(text.split()) or type(error).__name__
