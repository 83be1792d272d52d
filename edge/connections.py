"""Connections of a device to storages that may hang, drip, flood or lie: who is asked, and how long each may take."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from models.errors import KeyUnusable, one_line
from models.loopback import is_loopback
from models.printable import printable
from models.storage.local import read_start

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_LOOK_SECONDS = 0.2
"""How soon whoever waits for bytes hears that it is to stop."""
_CONNECT_SECONDS = 10.0
_BUFFER_BYTES = 64 << 10
_MOST_HEAD_BYTES = 256 << 10
_NOT_YET_VALID, _EXPIRED = 9, 10
"""OpenSSL's codes (`X509_V_ERR_…`) of certificates that a clock refuses."""


class AddressRefused(ValueError):  # noqa: N818 - named for the state it reports
    """An address that nothing is fetched from; its text is one line."""


class TooSlow(Exception):  # noqa: N818 - named for the state it reports
    """Whoever is asked takes longer than it may; its text is one line."""


class TooMuchHead(Exception):  # noqa: N818 - named for the state it reports
    """An answer does not come to its body."""


class Stopped(Exception):  # noqa: N818 - somebody asked for it, nothing failed
    """It was asked to stop while it waited."""


class Pace:
    """How slowly bytes may come, by a clock that nobody sets.

    Each `least` bytes have `seconds` to come, and so has all that is before the first of them: a connection, the head
    of an answer. So a byte a minute ends as soon as silence does.

    Args:
        stop: ends the waiting.
        seconds: as above.
        least: as above.
        longest: seconds for all of it.
    """

    def __init__(self, stop: threading.Event, seconds: float, least: int, longest: float) -> None:
        self._stop = stop
        self._seconds = seconds
        self._least = least
        self._came = 0
        now = time.monotonic()
        self._begins, self._ends, self._longest = now, now + longest, longest

    def came(self, count: int) -> None:
        """Takes note of bytes."""
        self._came += count
        if self._came >= self._least:
            self._came, self._begins = 0, time.monotonic()

    def left(self) -> float:
        """Seconds until more must have come; more than none.

        Raises:
            Stopped, TooSlow: there are none.
        """
        if self._stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._ends:
            raise TooSlow(f"it has not come in {self._longest:.0f} seconds")
        if now >= self._begins + self._seconds:
            raise TooSlow(f"fewer than {self._least:,} bytes came in {self._seconds:.0f} seconds")
        return min(self._begins + self._seconds, self._ends) - now


@dataclass(frozen=True, slots=True)
class Address:
    """Where something is asked for, as `checked_address` found it good."""

    secure: bool
    host: str
    port: int | None
    target: str


def checked_address(url: str, allow_plain: bool, allow_here: bool) -> Address:
    """An address of the web that may be asked.

    Args:
        url: `https://…`, or `http://…` where that is allowed.
        allow_plain: whether `http://` may be of other machines.
        allow_here: whether `http://` may be of this machine, whose own services trust whoever asks from here.

    Raises:
        AddressRefused: it is another; the text does not tell what is after its `?`, which opens doors.
    """
    shown = printable(url.partition("?")[0])[:200]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"{shown} is no address of the web: {one_line(error)}") from error
    host = parts.hostname
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not host or not plain or "@" in parts.netloc:
        raise AddressRefused(f"{shown} is no address of the web; https://HOST/PATH is expected")
    secure = parts.scheme == "https"
    if not secure and is_loopback(host):
        if not allow_here:
            raise AddressRefused(f"{shown} is of this machine, and the server is not; https:// is expected")
    elif not secure and not allow_plain:
        raise AddressRefused(f"{shown} would be read in the clear; https:// is expected, or that http:// be allowed")
    query = f"?{parts.query}" if parts.query else ""
    return Address(secure, host, port, (parts.path or "/") + query)


def is_of_this_machine(url: str) -> bool:
    """Whether an address of the web is of this machine itself."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


class Connections:
    """Opens connections, one for each thing that is asked. Threads may share it.

    No proxy is used, and no redirect is followed.

    Args:
        authorities: certificates in PEM that servers are known by, in place of the system's; None: the system's.

    Raises:
        KeyUnusable: the file has none, or cannot be read.
    """

    def __init__(self, authorities: Path | None) -> None:
        try:
            if authorities is not None:
                read_start(authorities, 0)  # a pipe would be waited for
            self._tls = ssl.create_default_context(cafile=authorities)
        except OSError as error:  # of TLS too
            raise KeyUnusable(f"{authorities} holds no certificates in PEM: {one_line(error)}") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    @contextmanager
    def answer(self, address: Address, headers: dict[str, str], pace: Pace) -> Iterator[http.client.HTTPResponse]:
        """Asks (GET), and yields the answer once its head has come; its body is read as slowly as `pace` allows.

        Args:
            address: is asked.
            headers: are sent.
            pace: its `came` is for whoever reads the body.

        Raises:
            OSError: there is no connection; `ssl.SSLError` is one.
            ValueError: no host has such a name.
            http.client.HTTPException, TooMuchHead: the answer is none.
            TooSlow, Stopped: see `Pace`.
        """
        with contextlib.closing(self.connected(address, pace)) as connected:
            headers = {"Connection": "close", **headers}
            with asked(connected, address, "GET", headers, None, pace) as response:
                yield response

    def connected(self, address: Address, pace: Pace) -> socket.socket:
        """A connection to where something is to be asked; whoever has it closes it.

        Raises:
            OSError, ValueError, TooSlow, Stopped: as `answer`.
        """
        seconds = min(pace.left(), _CONNECT_SECONDS)
        with contextlib.ExitStack() as left:
            connected = socket.create_connection((address.host, address.port or _default_port(address)), seconds)
            left.callback(connected.close)
            if address.secure:
                connected = self._tls.wrap_socket(
                    connected, server_hostname=address.host, do_handshake_on_connect=False
                )
                left.callback(connected.close)
                _shake_hands(connected, pace)
            left.pop_all()
            return connected


@contextmanager
def asked(
    connected: socket.socket, address: Address, method: str, headers: Mapping[str, str], body: bytes | None, pace: Pace
) -> Iterator[http.client.HTTPResponse]:
    """Asks once by a connection, and yields the answer once its head has come.

    Args:
        connected: stays open.
        address: that it leads to.
        method: `GET`, say.
        headers: are sent.
        body: is sent.
        pace: as of `Connections.answer`.

    Raises:
        As `Connections.answer`.
    """
    paced = _PacedSocket(connected, pace)
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.default_port = _default_port(address)  # a signed address is of a `Host` that names no port
    connection.sock = paced
    connection.request(method, address.target, body, dict(headers))
    with connection.getresponse() as response:
        paced.head_has_come()
        yield response


def _default_port(address: Address) -> int:
    return 443 if address.secure else 80


def _shake_hands(secured: ssl.SSLSocket, pace: Pace) -> None:
    while True:
        secured.settimeout(min(pace.left(), _LOOK_SECONDS))
        try:
            secured.do_handshake()
        except TimeoutError:
            continue
        return


class _PacedSocket:
    """What `http.client` takes for a socket."""

    def __init__(self, connected: socket.socket, pace: Pace) -> None:
        self._socket = connected
        self._pace = pace
        self._stream = _PacedStream(connected, pace)

    def sendall(self, data: ReadableBuffer) -> None:
        """Sends."""
        self._socket.settimeout(self._pace.left())
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What is received."""
        return _MeasuredReader(self._stream, _BUFFER_BYTES)

    def close(self) -> None:
        """Leaves it to whoever opened it: the answer is read after `http.client` is done with its socket."""

    def head_has_come(self) -> None:
        """What comes now is counted by others."""
        self._stream.room = None


class _MeasuredReader(io.BufferedReader):
    """Is asked for so many bytes each time: `http.client` believes chunks of a negative size, which stand for all."""

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or fewer at the end.

        Raises:
            http.client.HTTPException: no number of bytes is asked for.
        """
        return super().read(_measured(size))

    def read1(self, size: int = -1, /) -> bytes:
        """What is there of so many bytes; raises as `read`."""
        return super().read1(_measured(size))


def _measured(size: int | None) -> int:
    if size is None or size < 0:
        raise http.client.HTTPException("it has a chunk of a negative size")
    return size


class _PacedStream(io.RawIOBase):
    """The bytes that a socket receives.

    Attributes:
        room: how many there may be; None for any number.
    """

    def __init__(self, connected: socket.socket, pace: Pace) -> None:
        self._socket = connected
        self._pace = pace
        self.room: int | None = _MOST_HEAD_BYTES

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """As soon as there is something; 0 where nothing comes any more.

        Raises:
            OSError: the connection broke.
            TooSlow, Stopped: see `Pace`.
            TooMuchHead: there is no room.
        """
        while True:
            self._socket.settimeout(min(self._pace.left(), _LOOK_SECONDS))
            try:
                count = self._socket.recv_into(memoryview(buffer))
            except TimeoutError:
                continue
            if self.room is not None:
                self.room -= count
                if self.room < 0:
                    raise TooMuchHead(f"its head has more than {_MOST_HEAD_BYTES:,} bytes")
            return count


def why(error: OSError) -> str:
    """Why there is no connection, on one line for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = one_line(error.verify_message or error)
        if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
            today = time.strftime("%Y-%m-%d", time.gmtime())
            return f"{text}, by this machine's clock, which says {today}; set the clock, if that is wrong"
        return f"its certificate is not trusted: {text}"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS as it should: {one_line(error.reason or error)}"
    return printable(one_line(error.strerror or error))
