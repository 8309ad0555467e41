"""Photographs in a body: raw bytes, a form, or JSON with base64. The content tells, not the Content-Type."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import requires
from .problems import RequestError

#: Keys of JSON objects under which clients send photographs.
KEYS = ("image", "images", "data", "file", "files", "photo", "photos", "instances", "inputs", "b64", "body")
MAX_PARTS = 1000  #: of a form: each costs an object
MAX_JSON_DEPTH = 20
BASE64_OF_JPEG = b"/9j/"
BASE64_OF_PNG = b"iVBOR"


@dataclass
class Upload:
    """Photographs of a request, and its options.

    Attributes:
        photographs: The content of each file, in order.
        names: The name of each; None if it has none.
        options: Other fields of the form or JSON object.
    """

    photographs: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def add(self, content: bytes, name: str | None = None) -> None:
        """Add a photograph."""
        self.photographs.append(content)
        self.names.append(name)


def read_upload(body: bytes, content_type: str) -> Upload:
    """Return the photographs in a body.

    Args:
        body: The body.
        content_type: The header Content-Type, which only names the boundary of a form.

    Raises:
        RequestError: There is none.
    """
    upload = Upload()
    if content_type.lower().startswith("multipart/form-data"):
        _read_form(body, content_type, upload)
    elif body.lstrip()[:1] in (b"{", b"[", b'"'):
        _read_json(parse_json(body), upload)
    elif body:
        upload.add(body)
    if not upload.photographs:
        raise RequestError(
            "no photograph came: send its bytes as the body, or as a file in a form, or as base64 in JSON: "
            '{"image": "…"}'
        )
    return upload


def parse_json(text: bytes) -> Any:
    """Parse JSON, whose depth is bounded.

    Raises:
        RequestError: It is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise RequestError("the body is not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise RequestError(f"the body is not valid JSON: {error}") from None


def _read_json(value: Any, upload: Upload, depth: int = 0) -> None:
    if depth > MAX_JSON_DEPTH:
        raise RequestError("the JSON is nested too deeply")
    if isinstance(value, str):
        upload.add(decode_base64(value))
    elif isinstance(value, list):
        for item in value:
            _read_json(item, upload, depth + 1)
    elif isinstance(value, dict):
        found = [key for key in KEYS if key in value]
        if not found:
            raise RequestError(
                f"the JSON object has none of the keys {', '.join(KEYS[:7])} with photographs as base64"
            )
        for key in found:
            _read_json(value[key], upload, depth + 1)
        upload.options |= {
            key: str(item) for key, item in value.items() if key not in KEYS and isinstance(item, str | int)
        }
    else:
        raise RequestError(
            f"expected photographs as base64 in the JSON, got {type(value).__name__}; numbers are the "
            "input of :predict and /infer"
        )


def decode_base64(text: str) -> bytes:
    """Decode base64 in any of its spellings: of URLs, without padding, in lines, and as a data URL.

    Raises:
        RequestError: It is none, or is encoded twice.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        content = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("a photograph in the JSON is not base64") from None
    if content.startswith((BASE64_OF_JPEG, BASE64_OF_PNG)):
        raise RequestError("a photograph in the JSON is encoded as base64 twice; encode it once")
    if not content:
        raise RequestError("a photograph in the JSON is empty")
    return content


# --- forms ----------------------------------------------------------------------------------


class _Form:
    """What python-multipart calls back with, part by part. All stays in memory, whose size is the body's."""

    def __init__(self, upload: Upload) -> None:
        self._upload, self._header, self._value = upload, b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._content = bytearray()
        self._parts = 0

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self.begin, "on_part_data": self.data, "on_part_end": self.end,
            "on_header_field": self.header_field, "on_header_value": self.header_value,
            "on_header_end": self.header_end,
        }  # fmt: skip

    def begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestError(f"the form has more than {MAX_PARTS} parts")
        self._headers, self._content = {}, bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def end(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            if self._content:  # a field for a file that was not chosen is empty
                self._upload.add(
                    bytes(self._content), options[b"filename"].decode("utf-8", "replace") or None
                )
        elif name in KEYS and not _is_text(self._content):
            self._upload.add(bytes(self._content))
        else:
            self._upload.options[name] = self._content.decode("utf-8", "replace")


def _is_text(content: Mapping[int, int] | bytearray) -> bool:
    return bytes(content[:64]).isascii() if isinstance(content, bytearray) else True


def _read_form(body: bytes, content_type: str, upload: Upload) -> None:
    with requires("reading a form", "python-multipart", "'xception[serve]'"):
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError("the form's Content-Type names no boundary")
    try:
        parser = MultipartParser(boundary, _Form(upload).callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(f"the form is damaged: {error}") from None
