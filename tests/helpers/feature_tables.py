"""Small tables of features."""

import numpy as np

from xception.feature_extraction.tables import Table

ROWS = np.array([[number + column / 8 for column in range(3)] for number in range(7)], np.float32)
ORDER = [6, 0, 1, 2]
LABELS = ["even", "even", "odd", "even"]

#: Names from strangers, and how UTF-8 holds them.
ODD_NAMES = {
    "odd byte \udcff\udcfe.jpg": r"odd byte \xff\xfe.jpg",
    "\x1b[2J.jpg": r"\x1b[2J.jpg",
    "new\nline.jpg": "new\nline.jpg",
    "re\rturn.jpg": "re\rturn.jpg",
    "=1+1.jpg": "=1+1.jpg",
    "-1.jpg": "-1.jpg",
    'it\'s, "odd".jpg': 'it\'s, "odd".jpg',
}


def small_table(names=("a", "b's", "c"), labels=LABELS, rows=ROWS, order=ORDER):
    """Return a table of four rows of seven, in another order."""
    return Table.of_array([f"folder/{number}.jpg" for number in ORDER], labels, names, rows, order)


def odd_table():
    """Return a table with odd names of photographs, labels and features."""
    names = list(ODD_NAMES)
    rows = np.arange(len(names), dtype=np.float32)[:, None] - 3
    return Table.of_array(names, names, ["=a", "b\udcff"], np.hstack([rows, rows]), range(len(names)))


def values_of(table):
    """Return the features (n, d) of a table."""
    return np.concatenate(list(table.blocks()))
