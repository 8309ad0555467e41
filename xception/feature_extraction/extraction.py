"""Feature extraction: from many photographs to rows of numbers, resumed after an interruption."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..console.progress import Verbose
from ..data.failures import FailureLog, OnError
from ..data.locations import local_copy, names_folder
from ..data.photographs import Photograph, find_photographs
from ..data.pipeline import Progress, stream_photographs
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..kernels import Array
from ..layers import GlobalAveragePooling2D
from ..models.factory import Xception
from ..models.feature_maps import Pooling, check_pooling
from ..models.layer import as_layer_names
from ..models.model import Model
from ..prediction.classifier import Classifier, ModelArgument, as_model, check_no_model, check_undecided
from ..prediction.preprocessing import Preprocessor
from ..storage.cache import CachedDiskStore, CacheStore, RowCache
from ..storage.identity import fingerprint
from ..storage.outputs import OutputFile, open_output
from ..storage.resuming import collect, open_progress
from ..storage.rows import MemoryStore, RowStore
from . import tables
from .result import Features
from .tables import Table

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


class Extractor:
    """A model with its preprocessing and the layers that features are taken from.

    Args:
        model: A Model, a Classifier, the path of a model file, or None for the ImageNet base.
        layers: See `features`.
        pooling: See `features`.
        scaling: See `features`.
        interpolation: See `features`.
        aspect: See `features`.
        exif: See `features`.
        decode: See `features`.

    Attributes:
        model: The model.
        preprocessor: Reads, resizes and scales photographs.
        names: (d,) the names of the features.

    Raises:
        TypeError: `model` is none of these, or `layers` are no names.
        ValueError: The model does not take a photograph, has no such layer, or an option is unknown.
    """

    def __init__(
        self,
        model: ModelArgument = None,
        layers: str | Sequence[str] | None = None,
        pooling: Pooling = "avg",
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
        aspect: Aspect | None = None,
        exif: Exif | None = None,
        decode: Decode = "exact",
    ) -> None:
        check_pooling(pooling)  # before a model is loaded
        self.model = imagenet_base() if model is None else as_model(model)
        if isinstance(model, Classifier):
            check_undecided(
                scaling=None if scaling == "auto" else scaling,
                interpolation=interpolation, aspect=aspect, exif=exif,
                decode=None if decode == "exact" else decode,
            )  # fmt: skip
            self.preprocessor = model.preprocessor
        else:
            self.preprocessor = Preprocessor(self.model, scaling, interpolation, aspect, exif, decode)
        self.preprocessor.check_only_input()
        self._layers = None if layers is None else as_layer_names(layers)
        if self._layers and len(set(self._layers)) < len(self._layers):
            raise ValueError(f"layers has a name twice: {', '.join(self._layers):.200}")
        self._pooling = pooling
        self.names = self.model.feature_names(self._layers, pooling, self.preprocessor.size)

    def compute(self, pixels: NDArray[Any]) -> Array:
        """Compute the features (n, d) of pixels (n, height, width, channels), 0…255, of the model's size."""
        function = functools.partial(
            self.model.features, layers=self._layers, pooling=self._pooling, verbose=0
        )
        return self.preprocessor.compute(pixels, function)

    def stream(
        self, photographs: Iterable[Photograph], log: FailureLog, progress: Progress
    ) -> Iterator[tuple[Photograph, Array]]:
        """Compute the features of photographs one after the other, as they are read.

        Args:
            photographs: The photographs.
            log: Records those that cannot be read.
            progress: Advanced by each photograph.

        Yields:
            Each photograph that could be read, in order, and its features (d,).
        """
        used = self.preprocessor
        yield from stream_photographs(photographs, used.load, self._row, log, progress, used.at_once)

    def _row(self, pixels: NDArray[Any]) -> Array:
        return self.compute(pixels[np.newaxis])[0]  # (h, w, c) -> (d,)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest that is the same for extractors that compute the same features."""
        nodes = self.model.feature_nodes(self._layers)
        return fingerprint(self.model, nodes, self._pooling, *self.preprocessor.settings)


@functools.cache
def imagenet_base() -> Model:
    """Return the ImageNet base that is shipped with the library, built at the first call."""
    return base_model("imagenet")


def base_model(weights: str | os.PathLike[str]) -> Model:
    """Return Xception without its classifier, up to `avg_pool`: (n, 2048).

    Args:
        weights: "imagenet" for the weights shipped with the library, or the path of a weights file.

    Raises:
        OSError: There is no such file.
        ModelFileError: The file is damaged, or does not fit.
    """
    base = Xception(include_top=False, weights=weights)
    return Model(base.graph.with_layer(GlobalAveragePooling2D(), name="avg_pool"), base.parameters)


def extract_cached(
    extractor: Extractor,
    photographs: Iterable[Photograph],
    store: RowStore,
    log: FailureLog,
    verbose: Verbose = "auto",
) -> Features:
    """Return the features of photographs; compute those that are not in the cache.

    Args:
        extractor: Computes the features.
        photographs: See `collect`.
        store: The cache; or a `MemoryStore`, to use none.
        log: See `collect`.
        verbose: See `collect`.

    Returns:
        The features, in memory. `resumed` counts the photographs that were in the cache.
    """
    stored = collect(extractor.stream, photographs, store, log, verbose)
    values = store.take(stored.numbers)
    return Features(values, extractor.names, stored.photographs, log.failures, stored.reused)


def features(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    layers: str | Sequence[str] | None = None,
    pooling: Pooling = "avg",
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    output: str | os.PathLike[str] | None = None,
    wide: bool = False,
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Features:
    """Compute features of photographs: the activations of layers, as a row of numbers for each.

    Features of files are kept in the cache folder, by the content of the file, for later calls of
    `features`, `similar` and `fit` (see `cache_info`). XCEPTION_MAX_CACHE=0 keeps none.

    Args:
        images: A path, a folder, a pattern, the bytes of a file, an open file, a PIL image, an array of
            pixels 0…255 (h, w, 3) or (n, h, w, 3); or a list or generator of these.
        model: A Model, a Classifier, or the path of a model file, which is loaded anew at each call. By
            default the ImageNet base that is shipped with the library, which is loaded once and kept.
        layers: Names of the layers to take features from; their features stand side by side. By default
            the last layer that gives feature maps (h, w, c).
        pooling: How feature maps (h, w, c) are pooled: "avg", "max", "min" or "sum" over space gives c
            features, "none" keeps all h·w·c.
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255; "auto"
            infers it from the model (see `Classifier`).
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        output: A file to write the features to, whole or not at all; `Features.save` lists the formats.
            Rows are then kept on disk, so that memory use does not grow with their number. Until the
            file is complete, they are in the hidden folder `.NAME.progress` beside it. After an
            interruption the same call resumes there, whether or not there is a cache; only images that
            did not come from a file are computed again. Of a URL, such as "s3://bucket/F.npz", both are in
            the cache folder until the file is uploaded. A folder, whose name ends in "/" or which exists,
            gets a file for every few thousand photographs, computed by several processes; see
            `xception.distributed.prepare`.
        wide: Whether a `.parquet` output has a column for each feature, instead of one column of lists.
        verify: Whether to read the photographs that were computed before an interruption, or are in the
            cache, and compute those again whose content has changed. By default those whose size or date
            has changed are computed again.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        The features (n, d) of the n photographs that could be read, in the order given. If there are
        none, nothing is written to `output`.

    Raises:
        TypeError: `images`, `model` or `layers` is of another type.
        ValueError: The model does not take a photograph or has no such layer, an option is unknown, or
            XCEPTION_MAX_CACHE is not a number of bytes.
        OSError: A photograph or model file cannot be read, or `output` cannot be written.
        ModelFileError: The model file is damaged or not supported.

    Examples:
        >>> import numpy as np
        >>> result = features("examples/*.jpg")
        >>> result
        <Features: 4 photographs, 2,048 features each>
        >>> np.asarray(result).shape, result.paths[0]
        ((4, 2048), 'examples/astronaut.jpg')
    """
    check_no_model("features(images, model)", images=images)
    if output is not None and names_folder(output):
        if wide or verify:
            raise ValueError(f"{'wide' if wide else 'verify'} applies to a file, and {output!r} is a folder")
        from ..distributed.folder_results import compute_features

        return compute_features(
            images, output, model, FailureLog(on_error), verbose, layers=layers, pooling=pooling,
            scaling=scaling, interpolation=interpolation, aspect=aspect, exif=exif, decode=decode,
        )  # fmt: skip
    with nullcontext() if output is None else open_output(output) as file:
        if file is not None:
            tables.check_target(file.path, wide)
        log = FailureLog(on_error)
        photographs = find_photographs(images, log)
        extractor = Extractor(model, layers, pooling, scaling, interpolation, aspect, exif, decode)
        if file is not None:
            return _extract_to_file(extractor, photographs, file, log, verbose, verify, wide)
    with CacheStore(lambda: extractor.fingerprint, len(extractor.names), verify) as store:
        return extract_cached(extractor, photographs, store, log, verbose)


def _extract_to_file(
    extractor: Extractor,
    listed: Iterable[Photograph],
    output: OutputFile,
    log: FailureLog,
    verbose: Verbose,
    verify: bool,
    wide: bool,
) -> Features:
    path, names = output.path, extractor.names
    made_by = extractor.fingerprint
    with (
        RowCache(made_by, len(names), verify) as cache,
        open_progress(path, made_by, verify, cache.content) as store,
    ):
        both = CachedDiskStore(store, cache)
        stored = collect(extractor.stream, tables.checked_texts(path, listed), both, log, verbose)
        photographs = stored.photographs
        labels = [photograph.label for photograph in photographs]
        if photographs:
            paths = [photograph.path or "" for photograph in photographs]
            table = Table.of_array(paths, labels, names, store.rows(), stored.numbers)
            tables.write_table(path, table, wide)
            output.publish()  # before what could be resumed from is removed
    if not photographs:
        return Features(MemoryStore(len(names)).take([]), names, [], log.failures)
    read_values = _reader(output, (len(photographs), len(names)), any(labels))
    return Features(read_values, names, photographs, log.failures, stored.reused + both.copied)


def _reader(output: OutputFile, shape: tuple[int, int], is_labeled: bool) -> Callable[[], Array]:
    """Return a function that reads the values (n, d) of the file that was written."""
    if output.is_remote:

        def read_remote() -> Array:
            with local_copy(output.location) as copy:
                values = np.array(tables.read_values(copy, shape[1], is_labeled))
            if values.shape != shape:
                raise _changed(output.location)
            return values

        return read_remote
    path = output.path.absolute()
    written = _identity(path)

    def read_local() -> Array:
        if _identity(path) != written:
            raise _changed(str(path))
        return tables.read_values(path, shape[1], is_labeled)

    return read_local


def _changed(name: str) -> OSError:
    return OSError(f"{name}: has changed since these features were written; compute them again")


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from another that replaced it; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
