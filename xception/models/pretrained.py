"""The ImageNet weights: shipped, cached, or downloaded and verified.

The base (everything before the classifier) is shipped with this library, rounded to float16. The
whole network is the float32 file that Keras publishes. It is searched in this library's cache folder
and in Keras's, and downloaded if it is in neither.

Environment variables: XCEPTION_CACHE_DIR is the cache folder. XCEPTION_WEIGHTS_URL is the URL of a
mirror, either of the folder or of the file itself. KERAS_HOME is the parent of Keras's `models` folder.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from ..data.atomic import replace_file
from ..data.regular_files import open_regular_file
from ..errors import DownloadError, MissingPackageError, printable

log = logging.getLogger(__name__)
URL = "https://storage.googleapis.com/tensorflow/keras-applications/xception/"


@dataclass(frozen=True)
class WeightsFile:
    """A file of known content.

    Attributes:
        name: File name.
        sha256: Hash of the content, in hexadecimal digits.
        size: Length in bytes.
    """

    name: str
    sha256: str
    size: int

    def is_whole(self, path: Path) -> bool:
        """Return True if the file at `path` exists, can be read and has this content."""
        import hashlib

        try:
            if not path.is_file() or path.stat().st_size != self.size:
                return False
            with open_regular_file(path) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except OSError:
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


# --- locations ------------------------------------------------------------------------------


def shipped_base() -> Path:
    """Return the base's weights: in the installed package, or beside it in a source checkout.

    Raises:
        FileNotFoundError: They are in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "weights", package.parent / "weights"):
        if (folder / BASE.name).is_file():
            return folder / BASE.name
    raise FileNotFoundError(
        f"{BASE.name}: should be shipped with xception, but is in neither {package / 'weights'} "
        f"nor {package.parent / 'weights'}; install the package again"
    )


def cache_dir() -> Path:
    """Return the folder in which downloads are kept.

    Raises:
        DownloadError: The user has no cache folder, and XCEPTION_CACHE_DIR is not set.
    """
    configured = os.environ.get("XCEPTION_CACHE_DIR")
    try:
        if configured:
            return Path(configured).expanduser()
        import platformdirs

        return platformdirs.user_cache_path("xception", appauthor=False)
    except RuntimeError as error:
        raise DownloadError(f"no cache folder: {error}; set XCEPTION_CACHE_DIR to one") from None


def cache_folder(folder: str | os.PathLike[str] | None) -> Path:
    return cache_dir() if folder is None else Path(folder)


def keras_dir() -> Path:
    """Return the folder in which Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path(os.path.expanduser("~")) / ".keras") / "models"


def weights_url() -> str:
    """Return the URL of the whole network's weights: Keras's, or that of a mirror if one is set."""
    mirror = os.environ.get("XCEPTION_WEIGHTS_URL") or URL
    return mirror if mirror.partition("?")[0].endswith(".h5") else f"{mirror.rstrip('/')}/{CLASSIFIER.name}"


def cached_classifier(folder: Path | None = None) -> Path | None:
    """Return the whole network's weights if they are on this machine and their hash is right.

    Args:
        folder: The cache folder; by default `cache_dir()`. Keras's folder is searched too.
    """
    for candidate in (folder or cache_dir(), keras_dir()):
        path = candidate / CLASSIFIER.name
        if CLASSIFIER.is_whole(path):
            return path
    return None


# --- download -------------------------------------------------------------------------------


def classifier(folder: Path | None = None) -> Path:
    """Return the whole network's weights: from a cache, or downloaded.

    The file is downloaded under a temporary name and renamed once its hash is verified, so several
    processes may download at once. An interrupted download starts again at the next call.

    Args:
        folder: The cache folder; by default `cache_dir()`.

    Raises:
        DownloadError: The weights cannot be downloaded; the message says how to provide them.
    """
    return cached_classifier(folder) or _download(folder or cache_dir())


def _download(folder: Path) -> Path:
    from .download import download

    url = weights_url()
    path = folder / CLASSIFIER.name
    log.info(
        "%s (%s bytes) is downloaded to %s", CLASSIFIER.name, f"{CLASSIFIER.size:,}", printable(str(folder))
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(0o700, exist_ok=True)
        with replace_file(path) as temporary, temporary.open("xb") as stream:
            if download(url, stream, CLASSIFIER.size) != CLASSIFIER.sha256:
                raise ValueError("the file at that address is another one: its sha256 differs")
    except (OSError, ValueError, MissingPackageError) as error:
        raise DownloadError(_guidance(url, folder, error)) from error
    log.info("%s is complete", CLASSIFIER.name)
    return path


def _guidance(url: str, folder: Path, error: Exception) -> str:
    return (
        f"the ImageNet weights with the classifier are not on this machine, and could not be downloaded.\n"
        f"  file:   {CLASSIFIER.name} ({CLASSIFIER.size:,} bytes)\n"
        f"  from:   {url}\n"
        f"  sha256: {CLASSIFIER.sha256}\n"
        f"  to:     {folder}\n"
        f"  reason: {' '.join(str(error).split()) or type(error).__name__}\n"
        "Without a network, copy the file into that folder, or set XCEPTION_WEIGHTS_URL to a mirror.\n"
        "No download is needed for features (xception features, Xception(include_top=False)) or for a model "
        "of your own (--model FILE, load_model(FILE))."
    )
