"""Random changes of valid files for `fuzz.py`. Each case follows from a seed and its number alone."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import hostile
import small_models

from xception import layers

Rng = random.Random
#: What TIFF takes under these compressions; libtiff complains of others on stderr.
FAX_AND_JPEG_MODES = {"jpeg": ("L", "RGB"), "group4": ("1",)}
Seeds = list[tuple[str, bytes]]  #: suffix and content of each valid file
FOLDER = ".folder"  #: suffix of an archive that is unpacked
SHARDS = "x.weights.json"

# --- valid files ----------------------------------------------------------------------------


def model_files(folder: Path) -> Seeds:
    """Write small models in every form: archives and HDF5, packed and not, old and new HDF5."""
    import h5py

    files = [form.write(folder) for form in hostile.FORMS.values()]
    for name, build in {**small_models.EVERY, **every_layer()}.items():
        files.append(folder / f"{name}.keras")
        small_models.model(build()).save(files[-1])
    seeds = [("".join(path.suffixes), path.read_bytes()) for path in files]
    kernel = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    filters: list[dict[str, Any]] = [
        {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True}, {"fletcher32": True}, {"chunks": (2, 2)},
        {"dtype": "f2"}, {"dtype": "f8"}, {"dtype": "i4"}, {"dtype": ">f4"},
    ]  # fmt: skip
    seeds.append((FOLDER, write_archive(folder_files(), False)))
    text = json.dumps(hostile.small())
    for libver in ("earliest", "latest"):
        for options in filters:

            def spoil(file: h5py.File, name: str, options: dict[str, Any] = options) -> None:
                del file[name]
                file.create_dataset(name, data=kernel, **options)

            inner = hostile.hdf5_bytes(
                hostile.fill_by_position, lambda file: spoil(file, "layers/dense/vars/0"), libver=libver
            )
            seeds.append((".keras", hostile.archive(folder / "x.keras", weights=inner).read_bytes()))
            inner = hostile.hdf5_bytes(
                lambda file: file.attrs.update(model_config=text),
                lambda file: hostile.fill_by_name(file, "model_weights"),
                lambda file: spoil(file, "model_weights/dense/dense/kernel:0"),
                libver=libver,
            )
            seeds.append((".h5", inner))
    return [
        (
            suffix,
            write_archive(read_archive(content), ".packed" in suffix) if content[:2] == b"PK" else content,
        )
        for suffix, content in seeds
    ]


def folder_files() -> dict[str, bytes]:
    """Return the files of a `.keras` folder, and of `model.json` with sharded weights."""
    whole = hostile.hdf5_bytes(hostile.fill_by_position)
    first = hostile.hdf5_bytes(hostile.fill_by_position, lambda file: file.pop("layers/dense"))
    second = hostile.hdf5_bytes(hostile.fill_by_position, lambda file: file.pop("layers/conv2d"))
    places = {"layers/conv2d/vars": "x_00000.weights.h5", "layers/dense/vars": "x_00001.weights.h5"}
    return {
        "config.json": json.dumps(hostile.small()).encode(), "model.weights.h5": whole,
        "metadata.json": b'{"keras_version": "3.3.3"}', "model.json": json.dumps(hostile.small()).encode(),
        SHARDS: json.dumps({"metadata": {}, "weight_map": places}).encode(),
        "x_00000.weights.h5": first, "x_00001.weights.h5": second,
    }  # fmt: skip


def every_layer() -> dict[str, Callable[[], Any]]:
    """Small models that contain each kind of layer."""
    maps = {
        "convolutions": (
            layers.Conv2D(4, 3, dilation_rate=2, padding="same"), layers.Conv2D(4, 3, groups=2),
            layers.DepthwiseConv2D(3, depth_multiplier=2), layers.SeparableConv2D(4, 3, activation="gelu"),
            layers.Conv2DTranspose(4, 3, strides=2, output_padding=1), layers.Flatten(), layers.Dense(2),
        ),
        "shapes": (
            layers.Resizing(9, 7, pad_to_aspect_ratio=True), layers.CenterCrop(6, 6), layers.ZeroPadding2D(2),
            layers.Cropping2D(1), layers.UpSampling2D(2, interpolation="bilinear"), layers.Permute((2, 1, 3)),
            layers.AveragePooling2D(2), layers.MaxPooling2D(3, 1, "same"), layers.Reshape((-1, 3)),
            layers.Flatten(), layers.RepeatVector(3), layers.Softmax(),
        ),
        "numbers": (
            layers.Rescaling(0.1, -1.0), layers.Normalization(mean=[1.0, 2, 3], variance=[1.0, 2, 3]),
            layers.LayerNormalization(), layers.GroupNormalization(3), layers.BatchNormalization(),
            layers.UnitNormalization(), layers.PReLU((1, 2)), layers.ELU(), layers.LeakyReLU(),
            layers.ReLU(6.0), layers.Activation("swish"), layers.GlobalMaxPooling2D(), layers.Dense(2),
        ),
        "sequences": (
            layers.LayerScale(0.1, 3), layers.StochasticDepth(0.1), layers.Reshape((-1, 6)),
            layers.Conv1D(4, 3, padding="causal", dilation_rate=2), layers.SeparableConv1D(4, 3),
            layers.DepthwiseConv1D(3, 2), layers.Conv1DTranspose(4, 3, 2), layers.ZeroPadding1D(),
            layers.MaxPooling1D(), layers.AveragePooling1D(3, 2, "same"), layers.UpSampling1D(),
            layers.Cropping1D(1), layers.EinsumDense("abc,cd->abd", (None, 5), "relu", "d"),
            layers.LayerNormalization(axis=(1, 2)), layers.RMSNormalization(),
            layers.GlobalAveragePooling1D(),
        ),
        "recurrent": (
            layers.Reshape((-1, 6)), layers.LSTM(3, return_sequences=True, go_backwards=True),
            layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
            layers.TimeDistributed(layers.Dense(3, "relu")),
            layers.SimpleRNN(4, return_sequences=True),
            layers.RNN((layers.LSTMCell(2), layers.GRUCell(3, reset_after=False))), layers.Dense(2),
        ),
    }  # fmt: skip
    built: dict[str, Callable[[], Any]] = {}
    for name, rows in maps.items():
        named = [("image", layers.Input((12, 12, 3))), *((f"layer_{i}", row) for i, row in enumerate(rows))]
        built[name] = lambda name=name, named=named: small_models.row(name, *named)  # type: ignore[misc]
    merges = {kind: (getattr(layers, kind)(), ["maps", "image"]) for kind in
              ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")}  # fmt: skip
    merges |= {
        "dot": (layers.Dot((1, 1)), ["pooled", "pooled"]),
        "sum": (layers.Arithmetic("add", (0.1, 0.2, 0.3)), ["maps"]),
    }
    built["merges"] = lambda: small_models.wired(
        "merges", ["image"], list(merges),
        image=(layers.Input((8, 8, 3)),), maps=(layers.Conv2D(3, 1), ["image"]),
        pooled=(layers.GlobalAveragePooling2D(), ["maps"]), **merges,
    )  # fmt: skip
    attention = {kind: (getattr(layers, kind)(), ["query", "rows"]) for kind in
                 ("Attention", "AdditiveAttention")}  # fmt: skip
    attention |= {
        "heads": (layers.MultiHeadAttention(2, 3, use_causal_mask=True), ["query", "rows", "rows"]),
        "groups": (layers.GroupedQueryAttention(3, 2, 1), ["query", "rows"]),
        "scaled": (layers.CustomScaleLayer(0.5), ["query", "query"]),
    }
    built["attention"] = lambda: small_models.wired(
        "attention", ["image"], list(attention),
        image=(layers.Input((8, 8, 3)),), rows=(layers.Reshape((-1, 6)), ["image"]),
        query=(layers.Conv1D(6, 3, 4), ["rows"]), **attention,
    )  # fmt: skip
    operations = {
        "mean": (layers.Reduction("mean", -1, keepdims=True), ["maps"]),
        "part": (layers.GetItem(("...", (None, None, -1))), ["maps"]),
        "split": (layers.Split(3, -1, 2), ["maps"]), "taken": (layers.Take((2, 1, 0)), ["maps"]),
        "stacked": (layers.Stack(1), ["maps", "part"]), "expanded": (layers.ExpandDims(1), ["maps"]),
        "squeezed": (layers.Squeeze(1), ["expanded"]), "tiled": (layers.Tile((1, 2, 1, 3)), ["maps"]),
        "repeated": (layers.Repeat(2), ["maps"]),
        "product": (layers.Matmul(transpose_b=True), ["maps", "maps"]),
        "padded": (layers.Pad(((0, 0), (1, 2), (0, 1), (0, 0)), "reflect"), ["maps"]),
        "multiplied": (layers.Matmul(((1.0,), (2.0,), (3.0,))), ["maps"]),
        "summed": (layers.Einsum("bhwc,bhwd->bcd"), ["maps", "part"]),
        "unit": (layers.Normalize(), ["maps"]),
        "mask": (layers.Arithmetic("greater", 0.5), ["maps"]), "cast": (layers.Cast("uint8"), ["maps"]),
        "chosen": (layers.Where(y=0.0), ["mask", "maps"]),
    }  # fmt: skip
    built["operations"] = lambda: small_models.wired(
        "operations", ["image"], list(operations),
        image=(layers.Input((8, 8, 3)),), maps=(layers.Conv2D(3, 1), ["image"]), **operations,
    )  # fmt: skip
    return built


def picture_files() -> Seeds:
    """Return small pictures in every format that Pillow writes here, in every mode that it takes."""
    from PIL import Image

    Image.init()
    rng = np.random.default_rng(0)
    color = Image.fromarray(rng.integers(0, 256, (13, 17, 3), np.uint8))
    wide = Image.fromarray((rng.random((13, 17)) * 65535).astype(np.uint16))
    options: dict[str, list[dict[str, Any]]] = {
        "TIFF": [{"compression": name} for name in
                 ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4")] + [{"tiled": True}],
        "JPEG": [{"progressive": True}, {"quality": 5}], "WEBP": [{"lossless": True}],
        "PNG": [{"compress_level": 0}], "GIF": [{"save_all": True, "append_images": [color.convert("P")]}],
    }  # fmt: skip
    modes = {"L", "LA", "P", "1", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F"}
    images = [wide, *(color.convert("RGB").convert(mode) if mode not in ("LAB",) else _to_lab(color)
                      for mode in sorted(modes))]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = []
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN)):
        for image in images:
            for option in [{}, *options.get(kind, [])]:
                stream = io.BytesIO()
                try:
                    extra = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
                    if image.mode not in FAX_AND_JPEG_MODES.get(option.get("compression"), (image.mode,)):
                        continue  # libtiff complains of these on stderr
                    image.save(stream, kind, **option, **extra)
                except Exception:
                    continue  # this format does not take this mode
                if stream.tell() < 100_000:
                    seeds.append((f".{kind.lower()}", stream.getvalue()))
    return seeds


def _to_lab(image: Any) -> Any:
    from PIL import Image

    return Image.frombytes("LAB", image.size, image.tobytes())


# --- changes of bytes -----------------------------------------------------------------------

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
            1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip


def change_bytes(rng: Rng, content: bytes, others: Seeds, count: int | None = None) -> bytes:
    """Flip, overwrite, remove, repeat, insert or splice bytes, at a few places."""
    data = bytearray(content)
    for _ in range(count or rng.choice((1, 1, 1, 2, 3, 5, 10))):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 2, 4, 8, 16, 100, 1000)), len(data) - at)
        act = rng.choice(("flip", "flip", "byte", "number", "number", "number", "step", "remove", "repeat",
                          "insert", "truncate", "splice", "swap"))  # fmt: skip
        if act in ("flip", "byte") and at < len(data):
            data[at] = data[at] ^ 1 << rng.randrange(8) if act == "flip" else rng.randrange(256)
        elif act in ("number", "step"):
            size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
            value = rng.choice(EXTREMES) if act == "number" else (
                int.from_bytes(data[at : at + size], order) + rng.randint(-16, 16))  # fmt: skip
            data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)
        elif act == "remove":
            del data[at : at + length]
        elif act == "repeat":
            data[at:at] = data[at : at + length] * rng.choice((1, 2, 20))
        elif act == "insert":
            data[at:at] = rng.randbytes(length)
        elif act == "truncate" and rng.random() < 0.3:
            del data[at:]
        elif act == "splice":
            source = rng.choice(others)[1]
            start = rng.randrange(len(source) + 1)
            data[at : at + length] = source[start : start + length]
        elif act == "swap":
            other = rng.randrange(len(data) + 1)
            data[at : at + length], data[other : other + length] = (
                data[other : other + length],
                data[at : at + length],
            )
    return bytes(data)


def change_model(rng: Rng, seeds: Seeds) -> tuple[str, bytes]:
    """Change a model file: the HDF5 in it with valid checksums around it, or all of its bytes."""
    suffix, content = rng.choice(seeds)
    if suffix == FOLDER or rng.random() < 0.1:
        suffix, content = next(seed for seed in seeds if seed[0] == FOLDER)
        parts = read_archive(content)
        name = rng.choice(sorted(parts))
        parts[name] = change_bytes(rng, parts[name], [("", part) for part in parts.values()])
        return suffix, write_archive(parts, False)
    if suffix.endswith(".keras") and rng.random() < 0.8:
        parts = read_archive(content)
        name = "model.weights.h5" if rng.random() < 0.9 else rng.choice(sorted(parts))
        inner = [(suffix, read_archive(other).get(name, b"") if other[:2] == b"PK" else other)
                 for suffix, other in rng.sample(seeds, 2)]  # fmt: skip
        parts[name] = change_bytes(rng, parts[name], inner)
        return suffix, write_archive(parts, rng.random() < 0.3)
    return suffix, change_bytes(rng, content, seeds)


def read_archive(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {
            name: re.sub(rb"\d{4}-\d\d-\d\d@[\d:]{8}", b"2017-04-04@00:00:00", file.read(name))
            for name in file.namelist()
        }  # the same bytes in every run


def write_archive(parts: dict[str, bytes], packed: bool) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as file:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)  # which has no time: the same bytes in every run
            file.writestr(info, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    return stream.getvalue()


def change_picture(rng: Rng, seeds: Seeds) -> tuple[str, bytes]:
    """Change a picture: any of its bytes, mostly near the start, where its sizes are."""
    suffix, content = rng.choice(seeds)
    if rng.random() < 0.5:
        end = rng.choice((64, 256, 1024))
        changed = change_bytes(rng, content[:end], seeds) + content[end:]
    else:
        changed = change_bytes(rng, content, seeds)
    if suffix in (".png", ".apng") and rng.random() < 0.8:
        changed = with_png_checksums(changed)
    return suffix, changed


def with_png_checksums(content: bytes) -> bytes:
    """Correct the checksum of every chunk of a PNG, so that its decoder sees the changes."""
    data, at = bytearray(content), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


# --- changes of descriptions ----------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None, True, False, -3, -1, 0, 1, 2, 3, 7, 64, 300, 640, 2048, 4096, 5200, 70_000, 10**6, 10**9, 2**31,
    2**63, -(2**64), 10**400, 1e308, -0.0, float("nan"), float("inf"), 0.5, 1e-30, "", "pixels", "image",
    "Dense", "Lambda", "Functional", "keras", "os", "\0", "\ud800", "same", "valid", "causal",
    "channels_first", "relu", "softmax", "float16", "bilinear", "x" * 999, [], {}, [[]], [None], [3, 3],
    [4096, 4096], [1, 4000], [0, 0], [None, None, None, 3], [None, 5200, 5200, 3], [None, 1, 10**6, 3],
    ["image", 0, 0], [["maps", 0, 0, {}]], {"class_name": "Lambda", "config": {}},
    {"class_name": "ReLU", "config": {}}, [1.0] * 1000, [[1, 1], [10**4, 0]],
)  # fmt: skip


def change_description(rng: Rng, seeds: Seeds) -> tuple[str, bytes]:
    """Change the values in a model's JSON."""
    archives = [content for suffix, content in seeds if suffix.endswith(".keras")]
    parts = read_archive(rng.choice(archives))
    described = json.loads(parts["config.json"])
    other = json.loads(read_archive(rng.choice(archives))["config.json"])
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        change_value(rng, described, other)
    name = "config.json"
    if "xception.json" in parts and rng.random() < 0.1:
        name, described = "xception.json", json.loads(parts["xception.json"])
        change_value(rng, described, other)
    parts[name] = json.dumps(described).encode()
    if rng.random() < 0.05:
        parts[name] = change_bytes(rng, parts[name], [(".json", parts[name])])
    return ".keras", write_archive(parts, rng.random() < 0.1)


def change_value(rng: Rng, described: Any, other: Any) -> None:
    """Replace, remove, repeat, move or wrap a value somewhere, or take one from another description."""
    places = [place for place in positions(described) if place[0] is not None]
    if not places:
        return
    holder, key = rng.choice(places)
    act = rng.choice(("odd", "odd", "odd", "scale", "own", "other", "layer", "remove", "repeat", "wrap",
                      "rename", "wire"))  # fmt: skip
    if act == "odd":
        holder[key] = copy.deepcopy(rng.choice(ODD))
    elif act == "scale":
        numbers = [(a, b) for a, b in places if type(a[b]) in (int, float)]
        for holder, key in rng.sample(numbers, min(len(numbers), rng.choice((1, 1, 2, 4)))):
            with_factor = holder[key] * rng.choice((-1, 0, 2, 10, 100, 1000))
            holder[key] = with_factor + rng.choice((-1, 0, 0, 1))
    elif act == "own":
        source, source_key = rng.choice(places)
        holder[key] = copy.deepcopy(source[source_key])
    elif act == "other":  # what stands at the same key elsewhere
        same = [a[b] for a, b in positions(other) if b == key]
        holder[key] = copy.deepcopy(rng.choice(same)) if same else None
    elif act == "layer":
        lists = [a[b] for a, b in places if b == "layers" and isinstance(a[b], list) and a[b]]
        sources = [a[b] for a, b in positions(other) if b == "layers" and isinstance(a[b], list) and a[b]]
        if lists and sources:
            target, source = rng.choice(lists), copy.deepcopy(rng.choice(rng.choice(sources)))
            index = rng.randrange(len(target))
            if isinstance(source, dict) and isinstance(target[index], dict) and rng.random() < 0.8:
                for name in ("name", "inbound_nodes"):  # in place of a layer, with its wires
                    if name in target[index]:
                        source[name] = target[index][name]
                if isinstance(source.get("config"), dict) and "name" in source:
                    source["config"]["name"] = source["name"]
            target[index] = source
    elif act == "remove":
        del holder[key]
    elif act == "repeat" and isinstance(holder, list):
        holder[key:key] = [copy.deepcopy(holder[key]) for _ in range(rng.choice((1, 2, 5, 50)))]
    elif act == "wrap":
        holder[key] = [holder[key]]
    elif act == "rename" and isinstance(holder, dict):
        holder[rng.choice(("name", "class_name", "config", "units", "layers", "x"))] = holder.pop(key)
    elif act == "wire":
        names = [a[b] for a, b in places if b == "name" and isinstance(a[b], str)]
        histories = [a[b] for a, b in places if b in ("keras_history", "input_layers", "output_layers")]
        if names and histories and isinstance(history := rng.choice(histories), list) and history:
            history[0] = rng.choice(names)


def positions(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (holder, key) of every value in nested lists and dicts."""
    items = list(
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in items:
        yield value, key
        yield from positions(inner)
