"""Where devices reach the server, as addresses in their twins say it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from serving.asking import Code, Refused

_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
)


def read_public_url(text: str) -> str:
    """Where devices reach a server, as whoever runs it says.

    Args:
        text: `https://HOST[:PORT][/PATH]`.

    Returns:
        the same, without `/` at its end.

    Raises:
        ValueError: it is none; its text is one line.
    """
    problem = ValueError(
        f"{ascii(text)[:100]} is not where devices reach this server; https://HOST[:PORT][/PATH] is expected"
    )
    try:
        parts = urlsplit(text)
    except ValueError:
        raise problem from None
    is_plain = not (parts.query or parts.fragment or "?" in text or "#" in text) and text.isprintable()
    if parts.scheme not in ("http", "https") or not is_plain or " " in text or not _is_host(parts.netloc):
        raise problem
    return text.rstrip("/")


def asked_at(scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Where a device reached the server, by its own words: `http://HOST[:PORT]`.

    Args:
        scheme: that the server speaks.
        headers: of the request, names in lower case.

    Raises:
        Refused: `INVALID_ARGUMENT`; `Host` is missing, comes twice, or is none.
    """
    hosts = [value for name, value in headers if name == b"host"]
    host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
    if not _is_host(host):
        raise Refused(Code.INVALID_ARGUMENT, "the header Host is one HOST or HOST:PORT")
    return f"{scheme}://{host}"


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 1) in range(1, 1 << 16)
