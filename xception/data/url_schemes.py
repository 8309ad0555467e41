"""Schemes of URLs that files are read from.

Strangers write lists of photographs. A URL is therefore only ever the name of a file in one of SCHEMES:
what fsspec also takes for one, such as archives, caches, code repositories and chains of these, is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: A text that begins so is a URL, or a chain of them. A single letter is a drive of Windows.
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.:_-]+)://")


class Scheme(NamedTuple):
    """What is known of the URLs that begin alike.

    Attributes:
        package: What fsspec needs to read them; "" for nothing.
        is_store: Whether it is an object store: files appear when their upload is complete, and folders are
            only the beginnings of names.
        creates: Whether it can refuse a file that already exists, among several writers.
    """

    package: str
    is_store: bool = False
    creates: bool = False


_S3, _GOOGLE = Scheme("s3fs", True, True), Scheme("gcsfs", True, True)
_AZURE, _WEB, _SSH = Scheme("adlfs", True), Scheme("aiohttp"), Scheme("paramiko")
SCHEMES = {
    "s3": _S3, "s3a": _S3, "gs": _GOOGLE, "gcs": _GOOGLE, "az": _AZURE, "abfs": _AZURE,
    "oci": Scheme("ocifs", True), "oss": Scheme("ossfs", True), "hf": Scheme("huggingface_hub", True),
    "http": _WEB, "https": _WEB, "ftp": Scheme(""), "sftp": _SSH, "ssh": _SSH, "smb": Scheme("smbprotocol"),
    "webdav": Scheme("webdav4"), "hdfs": Scheme("pyarrow"), "webhdfs": Scheme(""),
    "memory": Scheme("", True, True),
}  # fmt: skip
#: Packages that `pip install "xception[remote]"` brings.
EXTRA_PACKAGES = frozenset({"", "s3fs", "gcsfs", "aiohttp"})
WEB_SCHEMES = frozenset({"http", "https"})


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, in lower case, after checking that files may be named so.

    Raises:
        ValueError: It is not one of SCHEMES, or the URL names nothing, or is a chain.
    """
    match = URL.match(url)
    if "::" in url:
        raise ValueError(
            f"{url}: must not contain '::'; expected one file's URL, not a chain through archives or caches"
        )
    scheme = match[1].lower() if match else ""
    if scheme not in SCHEMES:
        raise ValueError(f"{url}: {scheme}:// is not read; expected one of {', '.join(sorted(SCHEMES))}")
    if not url[len(scheme) + 3 :].strip("/"):
        raise ValueError(f"{url}: names no file; expected {scheme}://… with a name")
    return scheme
