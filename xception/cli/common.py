"""What the commands share: how they speak, and what they say of photographs that cannot be read."""

from __future__ import annotations

import sys

from ..data.photographs import Complain


def plain(text: str) -> str:
    """Lines of text in which nothing moves a terminal's cursor: they may hold the words of a file."""
    return "".join(x if x.isprintable() or x == "\n" else ascii(x)[1:-1] for x in text)


def complain(message: str, status: int = 1) -> int:
    print(plain(f"xception: {message}"), file=sys.stderr)
    return status


def complaints(failed: list[str]) -> Complain:
    """Says what could not be read, and keeps it in `failed`."""

    def tell(place: str, error: Exception) -> None:
        failed.append(place)
        complain(str(error))

    return tell


def report(failed: list[str]) -> int:
    if len(failed) > 1:
        complain(f"{len(failed)} could not be read")
    return 1 if failed else 0
