"""Addresses at which a device reads a component's archive: they only read, and die within the hour."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from threading import Lock
from typing import Protocol
from urllib.parse import urlsplit

from models.errors import one_line
from models.storage.errors import InvalidAddress, StorageUnavailable

LIFETIME_SECONDS = 3600
"""No address is alive for longer."""
STEP_SECONDS = 300
"""Addresses that are minted within one such step are equal, so that caches and logs see one. Each lives for an hour but
this at least."""
RETRY_SECONDS = 15
COMPONENTS = "/components"
"""The path below which the server sends archives."""
LEAST_KEY_BYTES = 32

_PURPOSE = b"hotswap: read a component\n"
"""Keeps what is signed here apart from whatever else the same key may sign."""
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,299}"
_PATH = re.compile(rf"{COMPONENTS}/{_PART}/{_PART}/{_PART}")
_EXPIRES = re.compile(r"[1-9][0-9]{0,10}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_MOST_KEPT = 1024
_LONGEST_TROUBLE = 500


class NotMinted(Exception):  # noqa: N818 - named for the state it reports
    """No address can be made; its text is one line, which says what to do."""


class AddressRefused(Exception):  # noqa: N818
    """An address that is not of this server, is of another file, or is over; its text is one line."""


class Signing(Protocol):
    """A storage whose own service lets whoever has a signed address read one file."""

    def address(self, uri: str, seconds: int) -> str:
        """See `models.storage.schemes.AnyStorage.address`."""


class Addresses(Protocol):
    """Who makes addresses."""

    def url(self, uri: str, base_url: str, now: float) -> str:
        """Where a device may read a file, for an hour at most.

        May ask a bucket's service, and so wait: not for an event loop.

        Args:
            uri: of the archive on its shelf, as its release has it.
            base_url: where devices reach this server, `https://HOST[:PORT][/PATH]`.
            now: seconds since the epoch.

        Raises:
            NotMinted: none can be made.
        """


class OwnAddresses:
    """Addresses of archives that the fleet's server sends itself, signed by HMAC-SHA256 over path and time of death.

    Args:
        key: secret, the same for all servers of one fleet; 32 bytes at least.

    Raises:
        ValueError: the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY_BYTES:
            raise ValueError(f"a key has {LEAST_KEY_BYTES} bytes at least, and this one {len(key)}")
        self._key = key

    def url(self, uri: str, base_url: str, now: float) -> str:
        """See `Addresses.url`."""
        return self.mint(path_of(uri), base_url, now)

    def mint(self, path: str, base_url: str, now: float) -> str:
        """The address of a path, for `LIFETIME_SECONDS` at most and `STEP_SECONDS` less at least.

        Args:
            path: of the archive below the server's root, `/components/NAME/VERSION/FILE`.
            base_url: where devices reach this server.
            now: seconds since the epoch.

        Raises:
            NotMinted: there is no such path, or `base_url` is none.
        """
        if not _PATH.fullmatch(path):
            raise NotMinted(f"{ascii(path)[:200]} is no archive's path; {COMPONENTS}/NAME/VERSION/FILE is expected")
        base = urlsplit(base_url)
        if base.scheme not in ("http", "https") or not base.netloc or base.query or base.fragment:
            raise NotMinted(f"{ascii(base_url)[:200]} is not where a server is reached; http://HOST:PORT is expected")
        expires = str(int(now + LIFETIME_SECONDS) // STEP_SECONDS * STEP_SECONDS)
        return f"{base_url.rstrip('/')}{path}?expires={expires}&signature={self._signature(path, expires)}"

    def verify(self, path: str, expires: str, signature: str, now: float) -> None:
        """Lets the path of a request be read, whatever its method.

        Args:
            path: below the server's root, percent-decoded, without the query.
            expires: seconds since the epoch, as the query has it.
            signature: hexadecimal, as the query has it.
            now: seconds since the epoch.

        Raises:
            AddressRefused: it was not minted with this key for this path, or is over.
        """
        # Lengths first: nothing of any size is computed with before it is known to be ours.
        if not (_PATH.fullmatch(path) and _EXPIRES.fullmatch(expires) and _SIGNATURE.fullmatch(signature)):
            raise AddressRefused("this is no address of this server")
        if not hmac.compare_digest(self._signature(path, expires), signature):
            raise AddressRefused("this address was not made by this server for this file")
        if int(expires) <= now:
            raise AddressRefused("this address is over; ask for what is desired again, and take the new one")

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key, _PURPOSE + f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


class BucketAddresses:
    """Addresses of archives in buckets, signed for the buckets' own services.

    Each is kept for `STEP_SECONDS`, for whoever asks: a fleet that polls costs a signature now and then. Why one could
    not be made is kept for `RETRY_SECONDS`, since finding that out may take seconds.

    Args:
        storage: holds the credentials to sign with; `models.storage.schemes.AnyStorage` is one.
    """

    def __init__(self, storage: Signing) -> None:
        self._storage = storage
        self._lock = Lock()
        self._turns: dict[str, Lock] = {}
        self._kept: dict[str, _Kept] = {}

    def url(self, uri: str, base_url: str, now: float) -> str:
        """See `Addresses.url`; `base_url` is not used. May be called from several threads: those that ask for one file
        wait for one signature, and for no other file's.
        """
        with self._lock:
            turn = self._turns.setdefault(uri, Lock())
        with turn:
            kept = self._fresh(uri, now)
            if kept is None:
                kept = self._sign(uri, now)
                self._keep(uri, kept)
        if kept.trouble:
            raise NotMinted(kept.trouble)
        return kept.url

    def _fresh(self, uri: str, now: float) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(uri)
        return kept if kept is not None and kept.since <= now < kept.until else None

    def _keep(self, uri: str, kept: _Kept) -> None:
        with self._lock:
            self._kept.pop(uri, None)
            self._kept[uri] = kept
            if len(self._kept) > _MOST_KEPT:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                # Whoever waits for it holds it; who comes then begins another.
                self._turns.pop(oldest, None)

    def _sign(self, uri: str, now: float) -> _Kept:
        try:
            return _Kept(now, now + STEP_SECONDS, url=self._storage.address(uri, LIFETIME_SECONDS))
        except (StorageUnavailable, InvalidAddress) as error:
            return _Kept(now, now + RETRY_SECONDS, trouble=one_line(error, limit=_LONGEST_TROUBLE))


@dataclass(frozen=True, slots=True)
class _Kept:
    since: float
    until: float
    url: str = ""
    trouble: str = ""


class ShelfAddresses:
    """Addresses of archives wherever they are: in folders, which the server sends itself, and in buckets.

    Args:
        own: for folders.
        buckets: for whatever has a scheme.
    """

    def __init__(self, own: OwnAddresses, buckets: BucketAddresses) -> None:
        self._own = own
        self._buckets = buckets

    def url(self, uri: str, base_url: str, now: float) -> str:
        """See `Addresses.url`."""
        of: Addresses = self._buckets if "://" in uri else self._own
        return of.url(uri, base_url, now)


def path_of(uri: str) -> str:
    """The path at which a server sends the archive at `FOLDER/NAME/VERSION/FILE`.

    Raises:
        NotMinted: no archive is there.
    """
    path = "/".join([COMPONENTS, *uri.split("/")[-3:]])
    if not _PATH.fullmatch(path):
        raise NotMinted(f"{ascii(uri)[:200]} is on no shelf; FOLDER/NAME/VERSION/FILE is expected")
    return path
