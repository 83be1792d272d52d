"""Whether a request is meant for this studio, and comes from its own page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.loopback import is_loopback
from serving.access import Access

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_SAME_ORIGIN = "same-origin"
_BY_HAND = "none"
"""What `Sec-Fetch-Site` says of an address that was typed, or opened from outside of any page."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names by which a studio may be asked.

    Attributes:
        access: where it listens, and whether it wants a token.
    """

    access: Access

    def is_meant(self, host: str) -> bool:
        """Whether a `Host` is a name of this studio.

        A page elsewhere can have its own name lead here (DNS rebinding), and would then be of the same origin. Where a
        token is wanted it has no session, whatever it is called: any name will do, as that of a proxy in front. Else
        only names that cannot be had by others: those of this machine, the one that was given, and, where all addresses
        are listened at, addresses.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        if self.access.tokens:
            return True
        name = found["name"].lower().rstrip(".")
        given = self.access.host.lower().strip("[]")
        if is_loopback(name) or name.strip("[]") == given:
            return True
        return given in {"0.0.0.0", "::", ""} and _is_address(name)  # noqa: S104 - compared, not listened at

    def is_own_page(self, headers: Mapping[str, str]) -> bool:
        """Whether what a browser says of where a request comes from is this studio's page, or nothing.

        Args:
            headers: of the request, names in lower case, with `host`.
        """
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != _SAME_ORIGIN:
            return False
        if origin is None or (origin == "null" and site == _SAME_ORIGIN):
            return True
        return self._is_of(origin, headers.get("host", ""))

    def _is_of(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # A proxy in front may speak TLS where this does not.
        schemes = {"https"} if self.access.is_encrypted else {"http", "https"}
        return parts.scheme in schemes and parts.netloc.lower() == host.lower() != ""


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another page asks, or leads here."""
    return headers.get("sec-fetch-site", _BY_HAND) not in {_SAME_ORIGIN, _BY_HAND}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
