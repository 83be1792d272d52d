"""A storage of archives on this machine that can be told to cut, lie, drip, hang and flood."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from tests.serving.certificates import Pair

_LOOK_SECONDS = 0.01
_BEGIN_OF_TLS = b"\x16\x03"


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        target: path and query.
        headers: by their names in small letters.
        closing: is set once the storage is to end.
    """

    target: str
    headers: dict[str, str]
    closing: threading.Event

    @property
    def start(self) -> int | None:
        """Of `Range: bytes=N-`; None where there is none."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return None if found is None else int(found[1])


Answer = Callable[[Asked], Iterable[bytes]]


class HostileStorage:
    """Answers each connection with the next of its answers, and all that follow with the last.

    Args:
        answers: what it says.
        secured: its certificate; it speaks plain HTTP where None.

    Attributes:
        asked: what it was asked.
    """

    def __init__(self, *answers: Answer, secured: Pair | None = None) -> None:
        self._answers = list(answers)
        self._tls = None if secured is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._tls and secured:
            self._tls.load_cert_chain(secured.certificate, secured.key)
        self.asked: list[Asked] = []
        self._closing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        """Of an archive."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}/a.zip?signature=x"

    def __enter__(self) -> HostileStorage:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listening.accept()
                answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
                thread = threading.Thread(target=self._serve, args=[connected, answer])
                self._threads.append(thread)
                thread.start()

    def _serve(self, connected: socket.socket, answer: Answer) -> None:
        with suppress(OSError), connected:
            if self._tls:
                connected = self._tls.wrap_socket(connected, server_side=True)
            with connected:
                asked = self._read(connected)
                self.asked.append(asked)
                for piece in answer(asked):
                    connected.sendall(piece)

    def _read(self, connected: socket.socket) -> Asked:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (more := connected.recv(4096)):
                raise ConnectionResetError
            head += more
            if head.startswith(_BEGIN_OF_TLS):
                connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                raise ConnectionResetError
        first, *lines = head.decode("ascii").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Asked(first.split(" ")[1], headers, self._closing)


def says(head: str, body: bytes = b"") -> Answer:
    """These very bytes; lines of the head are parted by line ends."""
    return lambda asked: [("\r\n".join(head.splitlines()) + "\r\n\r\n").encode("latin-1") + body]


def ranged(data: bytes, until: int | None = None) -> Answer:
    """As a storage should; it hangs up at `until`, where that is given."""

    def answer(asked: Asked) -> Iterator[bytes]:
        start, total = asked.start, len(data)
        if start is None:
            yield f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\nAccept-Ranges: bytes\r\n\r\n".encode()
        elif start >= total:
            yield f"HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n".encode()
            return
        else:
            stated = f"Content-Range: bytes {start}-{total - 1}/{total}\r\nContent-Length: {total - start}"
            yield f"HTTP/1.1 206 Partial Content\r\n{stated}\r\n\r\n".encode()
        yield data[start or 0 : until]

    return answer


def without_ranges(data: bytes, until: int | None = None) -> Answer:
    """The whole, whatever is asked for; it hangs up at `until`, where that is given."""
    return says(f"HTTP/1.1 200 OK\nContent-Length: {len(data)}", data[:until])


def chunked(data: bytes) -> Answer:
    """In chunks, without telling how many."""
    parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    chunks = b"".join(b"%x;more=x\r\n%b\r\n" % (len(part), part) for part in parts)
    return says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", chunks + b"0\r\n\r\n")


def endlessly(begin: bytes, again: bytes) -> Answer:
    """The same again and again."""

    def answer(asked: Asked) -> Iterator[bytes]:
        yield begin
        while not asked.closing.is_set():
            yield again

    return answer


def dripping(begin: bytes, drop: bytes) -> Answer:
    """A drop now and then."""

    def answer(asked: Asked) -> Iterator[bytes]:
        yield begin
        while not asked.closing.wait(_LOOK_SECONDS):
            yield drop

    return answer


def hanging(begin: bytes = b"") -> Answer:
    """This, and then nothing."""

    def answer(asked: Asked) -> Iterator[bytes]:
        yield begin
        asked.closing.wait()

    return answer
