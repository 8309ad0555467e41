"""Tables of features that other programs read: .npz, .npy, .csv, .parquet, .arff.

A file is written a chunk of rows at a time, and gets its name when it is complete. Names are text that
UTF-8 can hold: of other names, the bytes are escaped (`\\xff`). In text files control characters are, too.
"""

from .names import checked_texts
from .table import Table
from .writing import FORMATS, check_format, check_target, read_values, write_table

__all__ = [
    "FORMATS",
    "Table",
    "check_format",
    "check_target",
    "checked_texts",
    "read_values",
    "write_table",
]
