"""Text attributes of HDF5's groups.

Texts of any length lie in heaps elsewhere in the file, which are read without HDF5, within the file's limits.
"""

from __future__ import annotations

import math

import h5py
import numpy as np

from ...errors import ModelFileError
from . import headers
from .file import Group, encode_name, location, usage_of
from .headers import HeaderError


def has_names(holder: Group, attribute: str) -> bool:
    """Return True if `read_names` finds this attribute."""
    return attribute in holder.attrs or f"{attribute}0" in holder.attrs


def read_names(holder: Group, attribute: str) -> list[str]:
    """Read an attribute that lists names. Keras splits long lists: name0, name1, …

    Raises:
        ModelFileError: The attribute is missing, is not text, or exceeds a limit.
    """
    if attribute in holder.attrs:
        return _read_attribute(holder, attribute)
    names: list[str] = []
    part = 0
    while f"{attribute}{part}" in holder.attrs:
        names += _read_attribute(holder, f"{attribute}{part}")
        part += 1
    if not part:
        raise ModelFileError(f"{location(holder)}: the attribute {attribute!r} is missing")
    return names


def read_text(holder: Group, attribute: str) -> str:
    """Read an attribute that holds one text.

    Raises:
        ModelFileError: The attribute is not text, or exceeds a limit.
    """
    return "".join(_read_attribute(holder, attribute))


def _read_attribute(holder: Group, attribute: str) -> list[str]:
    identifier = holder.attrs.get_id(attribute)
    kind, shape, usage = identifier.get_type(), identifier.shape, usage_of(holder)
    is_text = isinstance(kind, h5py.h5t.TypeStringID)
    if shape is None or len(shape) > 1 or not (is_text or shape == (0,)):
        raise ModelFileError(f"{location(holder)}: the attribute {attribute!r} should hold text")
    try:
        if shape == (0,):
            values = []
        elif is_text and kind.is_variable_str() and usage is not None:
            address = h5py.h5o.get_info(holder.id).addr
            values = headers.read_texts(usage.read, usage.heaps, address, attribute, math.prod(shape))
        else:
            values = np.atleast_1d(holder.attrs[attribute]).tolist()
        return [(value if isinstance(value, bytes) else encode_name(value)).decode() for value in values]
    except HeaderError as error:
        raise ModelFileError(f"{location(holder)}: the attribute {attribute!r} {error}") from None
    except UnicodeDecodeError:
        raise ModelFileError(f"{location(holder)}: the attribute {attribute!r} is not UTF-8") from None
