"""Docstrings as this library writes them, for the reference.

A paragraph "name: what it is", a line for each, becomes a list, and the comments behind fields,
"#: what it is", become their docstrings.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)", re.DOTALL)


class Docstrings(griffe.Extension):
    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        self._rewrite(func, {parameter.name for parameter in func.parameters})

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        fields = {name for name, member in cls.members.items() if member.is_attribute}
        init = cls.members.get("__init__")
        if isinstance(init, griffe.Function):
            fields |= {parameter.name for parameter in init.parameters}
        self._rewrite(cls, fields)

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        if attr.docstring is None and attr.lineno is not None:
            line = attr.lines_collection[attr.filepath][attr.lineno - 1]
            _, sign, comment = line.partition("#:")
            if sign:
                attr.docstring = griffe.Docstring(comment.strip(), parent=attr)

    @staticmethod
    def _rewrite(thing: griffe.Object, names: set[str]) -> None:
        if thing.docstring is not None:
            thing.docstring.value = listed(thing.docstring.value, names)


def listed(text: str, names: set[str]) -> str:
    """A docstring in which a paragraph that says what parameters are is a list."""
    return "\n\n".join(_paragraph(part, names) for part in text.split("\n\n"))


def _paragraph(text: str, names: set[str]) -> str:
    entries = re.split(r"\n(?=\S)", text)  # lines that are indented belong to the one before
    matches = [ENTRY.fullmatch(entry) for entry in entries]
    if not all(match and names.issuperset(match[1].split(", ")) for match in matches):
        return text.replace("*", r"\*")
    lines = []
    for match in matches:
        assert match
        called = ", ".join(f"`{name}`" for name in match[1].split(", "))
        words = " ".join(line.strip() for line in match[2].splitlines())
        lines.append(f"- {called}: {words}".replace("*", r"\*"))
    return "\n".join(lines)
