"""The README as package indexes show it: its links and pictures lead to the repository's address.

An index shows the README without the files beside it. Relative links become absolute, by `Repository` of
`[project.urls]`; while there is no address, their text stays and pictures are left out.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link or picture of Markdown to a file beside it: no scheme, and no place within the page.
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)]+)\)")


def make_absolute(text: str, repository: str | None) -> str:
    """Return Markdown without relative links and pictures.

    Args:
        text: The README.
        repository: The address of the repository, laid out as GitHub does; None: links become text.
    """

    def replace(match: re.Match[str]) -> str:
        picture, label, path = match.groups()
        if repository is None:
            return "" if picture else label
        return f"{picture}[{label}]({repository.rstrip('/')}/{'raw' if picture else 'blob'}/HEAD/{path})"

    return RELATIVE.sub(replace, text)


class CustomMetadataHook(MetadataHookInterface):
    """Sets the field `readme`; hatchling finds it by its name."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README of the package."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        address = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": make_absolute(text, address)}
