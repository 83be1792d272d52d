"""HTTP/2 by hand: what no client's library would send."""

from __future__ import annotations

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END_HEADERS = 4
_ACK = _END_STREAM = 1
_FIRST_WINDOW = 65_535
_LARGEST_FRAME = 16_384
_INITIAL_WINDOW_SIZE = 4


class Connection:
    """A connection to a gRPC server that sends what it is told, and no more than the server has room for.

    Args:
        address: `HOST:PORT`.
        window: bytes of an answer that the server may send before it is asked for more, which it never is.

    Attributes:
        ended: streams that the server has ended.
    """

    def __init__(self, address: str, window: int = _FIRST_WINDOW) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._stream = -1
        self.ended: set[int] = set()
        self._room = _FIRST_WINDOW
        self._rooms: dict[int, int] = {}
        self._first_room = _FIRST_WINDOW
        self._heard = b""
        self._socket.sendall(PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)))

    def close(self) -> None:
        """Lets go."""
        self._socket.close()

    def begin(self, method: str) -> int:
        """Begins a call; answers the number of its stream."""
        self._stream += 2
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, self._stream, block))
        self._rooms[self._stream] = self._first_room
        return self._stream

    def send(self, stream: int, data: bytes) -> None:
        """Sends data on a stream, as the server takes it."""
        sent = 0
        while sent < len(data):
            size = min(self._room, self._rooms[stream], _LARGEST_FRAME, len(data) - sent)
            if size > 0:
                self._socket.sendall(_frame(_DATA, 0, stream, data[sent : sent + size]))
                self._room -= size
                self._rooms[stream] -= size
                sent += size
            else:
                self.listen(None)

    def listen(self, seconds: float | None) -> None:
        """Waits so long for the server to say something, and takes it in.

        Raises:
            ConnectionError: it hung up.
        """
        self._socket.settimeout(seconds)
        try:
            heard = self._socket.recv(1 << 20)
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(None)
        if not heard:
            raise ConnectionResetError
        self._heard += heard
        while len(self._heard) >= 9:
            size = int.from_bytes(self._heard[:3], "big")
            if len(self._heard) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self._heard[3:9])
            payload, self._heard = self._heard[9 : 9 + size], self._heard[9 + size :]
            self._take_in(kind, flags, stream, payload)

    def _take_in(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _RESET or (kind == _HEADERS and flags & _END_STREAM):
            self.ended.add(stream)
        elif kind == _WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream:
                self._rooms[stream] = self._rooms.get(stream, 0) + more
            else:
                self._room += more
        elif kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == _INITIAL_WINDOW_SIZE:
                    self._rooms = {each: room + value - self._first_room for each, room in self._rooms.items()}
                    self._first_room = value
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
