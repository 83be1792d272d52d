"""Why a client got no answer: an exception for each reason, whose text is one line that says what to do.

Settings are called in it as `Client` calls them, in backticks: `tls_ca`, `certificate`, `key`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import grpc

from models.errors import ImageFault
from models.printable import printable


class ServerError(Exception):
    """A request that has no answer; the text is one line that says what to do, safe to print."""


class SettingsUnusable(ServerError):
    """The client was told something that cannot be: an address, the port of another server, a certificate, a token."""


class Unreachable(ServerError):
    """Nobody answers at the address, or no longer."""


class TlsMismatch(ServerError):
    """Somebody is there; client and server disagree on TLS or certificates."""


class AccessDenied(ServerError):
    """The token is missing, or none that the server knows."""


class NoSuchModel(ServerError):
    """The server's model has another name, or the version that was asked for is not live."""


class NotReady(ServerError):
    """No model is live, or it died under the request; the same request may be answered later."""


class Busy(ServerError):
    """The server has more to do than it takes in, and had so at each try."""


class TooLate(ServerError):
    """No answer within the time that was given."""


class Failed(ServerError):
    """The server, or what was taken for one, did something that it should not."""


class ImageRefused(ServerError):
    """One image has no answer, and others may.

    Attributes:
        word: as in dead letters (`not_an_image`, `too_large`, …); "" where the server says none.
        detail: the server's words.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(f"{word}: {detail}" if word else detail)
        self.word = word
        self.detail = detail


class Asking(NamedTuple):
    """What was asked, as far as it matters to why there is no answer.

    Attributes:
        address: of the server.
        is_encrypted: whether the client speaks TLS.
        has_certificate: whether it has one of its own.
        has_token: whether it bears one.
    """

    address: str
    is_encrypted: bool
    has_certificate: bool
    has_token: bool


_FAULT = re.compile(rf"(?:image \d+ of \d+: )?({'|'.join(ImageFault)}): (.*)", re.DOTALL)
_TOO_LARGE = "message larger than max"
_LOST = re.compile(
    "failed to connect|errors resolving|DNS resolution|Socket closed|Connection reset|GOAWAY|Broken pipe|Stream removed"
    "|keepalive|Connection timed out|end of TCP stream|Transport closed|recvmsg|sendmsg",
    re.IGNORECASE,
)


def error_of(rpc: grpc.RpcError, asking: Asking) -> ServerError:
    """The exception that a failed call is."""
    code, said = _told(rpc)
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return _unavailable(said, asking)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            why = "does not know this token" if asking.has_token else "wants a token"
            return AccessDenied(f"{asking.address} {why}: give one that is in its --token-file")
        case grpc.StatusCode.NOT_FOUND:
            return NoSuchModel(said)
        case grpc.StatusCode.INVALID_ARGUMENT:
            found = _FAULT.fullmatch(said)
            return ImageRefused(found[1], found[2]) if found else ImageRefused("", said)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            if _TOO_LARGE in said:
                return ImageRefused(ImageFault.TOO_LARGE, f"{said}; the server's --max-message-bytes sets the limit")
            return Busy(f"{asking.address} is busy: {said or 'it takes in no more calls'}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return TooLate(f"{asking.address} gave no answer in time: {said}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return SettingsUnusable(
                f"{asking.address} speaks gRPC, but not TensorFlow Serving's API: is it another server?"
            )
        case grpc.StatusCode.CANCELLED:
            return Unreachable("the client was closed")
    return Failed(f"{asking.address} failed: {code.name}: {said}")


def _told(rpc: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a failed call, and its details on one line; what is raised is a `grpc.Call` too."""
    return rpc.code(), printable(" ".join((rpc.details() or "").split()))[:500]


def _unavailable(said: str, asking: Asking) -> ServerError:
    found = _FAULT.fullmatch(said)
    if found:
        return ImageRefused(found[1], found[2])
    if not _LOST.search(said):
        return NotReady(f"{asking.address} cannot answer now: {said}")
    mismatch = _mismatch(said, asking)
    if mismatch:
        return TlsMismatch(f"{asking.address} {mismatch}")
    if "http1.x server" in said or "ALPN" in said:
        return SettingsUnusable(
            f"{asking.address} speaks HTTP: give the port for gRPC, after `grpc=` in the line `ready:`"
        )
    if "Connection refused" in said:
        return Unreachable(f"{asking.address} refuses connections: is `hotswap serve` running there, on that port?")
    if "resolving" in said or "DNS" in said:
        return Unreachable(f"{asking.address} is no known host: look at the name")
    return Unreachable(f"{asking.address} cannot be reached: {said.rpartition('last error: ')[2]}")


def _mismatch(said: str, asking: Asking) -> str:
    if "WRONG_VERSION_NUMBER" in said:
        return "speaks no TLS: leave `tls_ca` and `certificate` out"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        reason = said.rpartition("CERTIFICATE_VERIFY_FAILED: ")[2].removesuffix(": OK")
        return f"shows a certificate that `tls_ca` does not vouch for ({reason}): give the authority that signed it"
    if "Hostname Verification" in said:
        return "shows a certificate for other hosts: use a name that is in it"
    if not (said.startswith("failed to connect") and ("handshake" in said.lower() or said.endswith("Socket closed"))):
        return ""
    if not asking.is_encrypted:
        return "hangs up on plain text: it seems to speak TLS, give `tls_ca`"
    if not asking.has_certificate:
        return "hangs up: it seems to want a client's certificate, give `certificate` and `key`"
    return "hangs up: it seems not to accept this client's certificate; has its authority signed it?"
