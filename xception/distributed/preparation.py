"""Preparation of a job: its list of photographs, its model, and the record of both."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..console.progress import DELAY_SECONDS, ProgressBar, Verbose
from ..data import locations
from ..data.failures import FailureLog
from ..data.image_formats import SUFFIXES
from ..data.manifests import read_manifest
from ..data.photographs import Photograph, find_photographs
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..data.url_schemes import WEB_SCHEMES, scheme_of
from ..errors import JobError
from ..jobs.job import Job
from ..jobs.listing import remove_other_lists, write_list
from ..jobs.record import (
    JOB,
    KINDS,
    LIST_NAME,
    MAX_SHARD_PHOTOGRAPHS,
    JobRecord,
    Kind,
    Source,
    read_record,
)
from ..jobs.shard_files import import_pyarrow
from ..layers.validation import as_int
from ..models.feature_maps import Pooling
from ..prediction.classifier import ClassNamesArgument, ModelArgument, check_no_model
from .computing import compute
from .kept_models import keep_model, model_file
from .processes import Processes
from .request import Request, request_features, request_predictions
from .settings import Settings, differences

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

MAX_NAMES_SHOWN = 3  #: files in a folder that is refused


def prepare(
    images: ImagesLike | None,
    output: str | os.PathLike[str],
    model: ModelArgument = None,
    *,
    task: Kind = "features",
    shard: int | None = None,
    manifest: str | os.PathLike[str] | None = None,
    layers: str | Sequence[str] | None = None,
    pooling: Pooling = "avg",
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    verbose: Verbose = "auto",
) -> Job:
    """Prepare a job that computes features or predictions of many photographs, or continue an earlier one.

    The photographs are listed once, and the list is written into the folder, with the settings. If the folder
    holds the job of an earlier call with the same arguments, that job is returned.

    Args:
        images: A path, a folder, a pattern or a URL; or a list or generator of these. Photographs must be
            files. None with `manifest`.
        output: The job's folder, a path or a URL; it is made if needed. It must be empty, or hold this job.
        model: A Model, a Classifier, or the path of a model file, which is kept in the folder. By default the
            ImageNet base for features, and Xception with the ImageNet classifier for predictions.
        task: "features", as of `xception.features`, or "predictions", as of `xception.predict`.
        shard: Photographs in a shard, each of which becomes a file. By default 5,000, or fewer so that there
            are 32 shards.
        manifest: A file that lists the photographs, instead of `images`: a text with a path or URL in each
            line, optionally followed by a tab and a label; or `.csv` or `.parquet` with columns `path` and,
            optionally, `label`.
        layers: Of features: see `xception.features`.
        pooling: Of features: see `xception.features`.
        top: Of predictions: classes or labels per photograph; by default 5 classes, or all labels.
        class_names: Of predictions: see `xception.predict`.
        scaling: See `Classifier`.
        interpolation: See `Classifier`.
        aspect: See `Classifier`.
        exif: See `Classifier`.
        decode: See `Classifier`.
        from_logits: Of predictions: see `xception.predict`.
        output_name: Of predictions: see `xception.predict`.
        verbose: "auto" for a progress bar of the listing if there are several photographs, 0 for none, 1 for
            one in any case.

    Returns:
        The job, of which nothing has been computed yet; `job.run()` does that.

    Raises:
        JobError: The folder holds something else, or a job that differs from this one; the message names
            what differs.
        TypeError: `images` are no files, or `model` is of another type.
        ValueError: The model does not take a photograph, an option is unknown, or does not apply to `task`.
        OSError: A photograph's folder, a model file or the output cannot be read or written.
        MissingPackageError: pyarrow is needed but not installed.

    Examples:
        >>> import tempfile, xception
        >>> model = xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     job = prepare("examples", folder, model, shard=2)
        ...     report = job.run(each=map)
        >>> report.photographs, report.shards, report.done_before
        (4, 2, 0)
    """
    check_no_model("prepare(images, output, model)", images=images, output=output)
    if task not in KINDS:
        raise ValueError(f"task must be one of {', '.join(KINDS)}, got {task!r}")
    if (images is None) == (manifest is None):
        raise ValueError("expected either photographs or a manifest that lists them")
    _check_applicable(
        task,
        {"layers": layers, "pooling": None if pooling == "avg" else pooling},
        {"top": top, "class_names": class_names, "from_logits": from_logits, "output_name": output_name},
    )
    if shard is not None and as_int("shard", shard) > MAX_SHARD_PHOTOGRAPHS:
        raise ValueError(f"shard must be at most {MAX_SHARD_PHOTOGRAPHS:,} photographs, got {shard:,}")
    import_pyarrow()
    folder = _as_folder(output)
    recorded = read_record(folder)
    if recorded is None:
        _check_empty(folder)
    reading: dict[str, Any] = {
        "scaling": scaling, "interpolation": interpolation, "aspect": aspect, "exif": exif, "decode": decode,
    }  # fmt: skip
    if task == "features":
        request = request_features(model, layers, pooling, reading)
    else:
        request = request_predictions(
            model, None if top is None else as_int("top", top), class_names, from_logits, output_name, reading
        )
    given = _GivenPhotographs(images, manifest)
    if recorded is None:
        recorded = _begin(folder, request, given, shard, verbose)
    _adopt(folder, recorded, request, given, shard)
    return Job(folder, recorded, compute, Processes())


def _as_folder(output: str | os.PathLike[str]) -> str:
    """Return the location of a job's folder, without a slash at the end.

    Raises:
        NotADirectoryError: It is a file.
        FileNotFoundError: The folder that it is to be in does not exist.
        MissingPackageError: A package is needed for such a URL.
        ValueError: The URL is of a kind that is not known.
    """
    text = os.fspath(output)
    locations.check_location(text)
    if locations.is_remote(text):
        return text.rstrip("/")
    folder = locations.local_path(text).rstrip(f"/{os.sep}") or os.sep
    parent = os.path.dirname(os.path.abspath(folder))
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder}: is a file, expected a folder")
    if not os.path.isdir(parent):
        raise FileNotFoundError(f"{parent}: there is no such folder to make {os.path.basename(folder)} in")
    return folder


def _check_applicable(task: Kind, of_features: dict[str, Any], of_predictions: dict[str, Any]) -> None:
    others = of_predictions if task == "features" else of_features
    if given := [name for name, value in others.items() if value is not None]:
        raise ValueError(f"{' and '.join(given)} {'does' if len(given) == 1 else 'do'} not apply to {task}")


def _check_empty(folder: str) -> None:
    """Raise JobError if a folder without a job holds files, except lists of calls that were interrupted."""
    names = [
        name
        for name in locations.list_names(folder)
        if not name.startswith(".") and not LIST_NAME.fullmatch(name)
    ]
    if names:
        more = ", …" if len(names) > MAX_NAMES_SHOWN else ""
        raise JobError(
            f"{folder}: holds other files ({', '.join(names[:MAX_NAMES_SHOWN])}{more}), but no job; expected "
            "an empty folder, or a new one"
        )


class _GivenPhotographs:
    """The paths, folders, patterns and URLs of photographs, as they were given. They are iterated once."""

    def __init__(self, images: ImagesLike | None, manifest: str | os.PathLike[str] | None) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._description, self._count = "", 0
        self._manifest = manifest
        self._places = iter(()) if images is None else self._digested(images)
        if manifest is not None:
            self._add("manifest:", os.fspath(manifest))

    def _add(self, prefix: str, text: str) -> None:
        self._count += 1
        self._description = self._description or text
        place = text if locations.is_remote(text) else os.path.abspath(text)
        self._digest.update(f"{prefix}{place}\0".encode("utf-8", "surrogateescape"))

    def _digested(self, images: Any) -> Iterator[str]:
        if getattr(images, "ndim", 0) == 1 and images.dtype.kind in "OU":  # a column of a table
            images = images.tolist()
        if isinstance(images, str | os.PathLike):
            images = [images]
        if isinstance(images, bytes | dict) or not isinstance(images, Iterable):
            raise TypeError(f"{_EXPECTED}; got {type(images).__name__}")
        for image in images:
            if not isinstance(image, str | os.PathLike):
                raise TypeError(f"{_EXPECTED}; got one of type {type(image).__name__}")
            text = os.fsdecode(image)
            _check_place(text)
            self._add("", text)
            yield text

    def photographs(self, bar: ProgressBar) -> Iterator[Photograph]:
        """List the photographs, as they are found, and show on a bar how many there are."""
        log = FailureLog("raise", bar.paused)
        found = (
            find_photographs(self._places, log) if self._manifest is None else read_manifest(self._manifest)
        )
        for photograph in found:
            yield photograph
            bar.advance(1)

    def source(self) -> Source:
        """Return the record of the places; those that have not been listed are only counted."""
        for _ in self._places:
            pass
        more = f" and {self._count - 1:,} more" if self._count > 1 else ""
        return Source(f"{self._description}{more}", self._digest.hexdigest(), os.getcwd())


def _check_place(text: str) -> None:
    """Raise FileNotFoundError for a name that is neither a photograph's nor a folder: a typing error."""
    is_photograph = os.path.splitext(text.lower())[1] in SUFFIXES  # perhaps a missing one, which is reported
    is_web = locations.is_remote(text) and scheme_of(text) in WEB_SCHEMES  # photographs need no suffix there
    if not (is_photograph or is_web or glob.has_magic(text) or locations.exists(text)):
        raise FileNotFoundError(f"{text}: there is no such file or folder")


_EXPECTED = "a job takes photographs as paths, folders, patterns or URLs, or a list of these"


def _begin(
    folder: str, request: Request, given: _GivenPhotographs, shard: int | None, verbose: Verbose
) -> JobRecord:
    """Write the list of photographs and the record of a job; return the record that counts.

    Of two calls at the same time, the one that writes `job.json` first decides on the list.
    """
    is_new = not locations.is_remote(folder) and not os.path.exists(folder)
    locations.make_folder(folder)
    list_path = None
    try:
        with model_file(request) as model_path:
            settings = request.settings_with(model_path)
        with ProgressBar(None, "photo", verbose, DELAY_SECONDS, "listing") as bar:
            photographs = write_list(folder, given.photographs(bar), shard)
        list_path = locations.join(folder, photographs.name)
        record = JobRecord(request.kind, settings.to_dict(), request.names, given.source(), photographs)
        with contextlib.suppress(FileExistsError):
            locations.create_file(locations.join(folder, JOB), record.to_bytes())
        written = read_record(folder)
        if written is None:
            raise JobError(f"{folder}: {JOB} was removed while the job was prepared")
        remove_other_lists(folder, written)
    except BaseException:
        if list_path is not None:
            locations.remove_file(list_path)
        if is_new:
            with contextlib.suppress(OSError):  # another process writes to it
                os.rmdir(folder)
        raise
    return written


def _adopt(
    folder: str, recorded: JobRecord, request: Request, given: _GivenPhotographs, shard: int | None
) -> None:
    """Check that the job in a folder is the one that was asked for, and that its model is there.

    Raises:
        JobError: It differs; the message names what differs.
    """
    settings = Settings.from_dict(recorded.settings)
    source = given.source()
    differing = []
    if recorded.kind != request.kind:
        differing.append(f"task: {recorded.kind} there, {request.kind} here")
    else:
        differing += differences(request.settings, settings)
    if shard not in (None, recorded.photographs.shard):
        differing.append(f"shard: {recorded.photographs.shard:,} there, {shard:,} here")
    if source.digest != recorded.source.digest:
        differing.append(f"photographs: {recorded.source.description} there, {source.description} here")
    if differing:
        raise JobError(
            f"{folder}: holds another job. {'; '.join(differing)}. Give the same arguments to take it up, or "
            "another folder"
        )
    keep_model(folder, settings, request)
