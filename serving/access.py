"""Who may come in: addresses, TLS and tokens. Closed by default."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.loopback import is_loopback

_SHORTEST_TOKEN = 16
_TLS = "--tls-cert and --tls-key"


class AccessRefused(ValueError):  # noqa: N818 - named for what it says
    """Settings that would let in whom nobody wants; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in.

    Attributes:
        host: address that is listened at.
        certificate: file with the server's certificate and those that lead to an authority, in PEM; None without TLS.
        key: file with its private key, in PEM.
        client_authority: file with the authorities of clients' certificates, in PEM; None where clients need none.
        tokens: any of which a client may bear; none where it needs none.
    """

    host: str = "127.0.0.1"
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    tokens: tuple[str, ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.certificate is not None

    def require_closed(self, by_certificates: bool = True) -> None:
        """Does nothing where no stranger comes in, and nobody listens in.

        Args:
            by_certificates: whether the program has an option for those of clients, and so may name it.

        Raises:
            AccessRefused: somebody might.
        """
        missing = [] if self.is_encrypted else [_TLS]
        if not self.tokens and self.client_authority is None:
            missing.append("--token-file or --tls-client-ca" if by_certificates else "--token-file")
        self._require(missing)

    def require_encrypted(self) -> None:
        """Does nothing where nobody listens in; for a server whose clients each have a token of their own.

        Raises:
            AccessRefused: somebody might.
        """
        self._require([] if self.is_encrypted else [_TLS])

    def admits(self, authorization: str | None) -> bool:
        """Whether a client with this header, `Bearer TOKEN`, may come in; takes as long for any token."""
        if not self.tokens:
            return True
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        equal = [hmac.compare_digest(given, each.encode()) for each in self.tokens]
        return any(equal) and scheme.lower() == "bearer"

    def _require(self, missing: Sequence[str]) -> None:
        if missing and not is_loopback(self.host):
            raise AccessRefused(
                f"--host {self.host} lets others in: give {' and '.join(missing)}, or --insecure if that is meant"
            )


def read_access(
    host: str, certificate: Path | None, key: Path | None, client_authority: Path | None, token_file: Path | None
) -> Access:
    """Who may come in, as files say.

    Raises:
        AccessRefused: files that do not go together, or are not what they should be.
    """
    if (certificate is None) != (key is None):
        raise AccessRefused("--tls-cert and --tls-key go together")
    if client_authority is not None and certificate is None:
        raise AccessRefused("--tls-client-ca goes with --tls-cert and --tls-key")
    if certificate is not None and key is not None:
        _check_tls(certificate, key, client_authority)
    return Access(host, certificate, key, client_authority, read_tokens(token_file) if token_file else ())


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens in a file, a line each.

    Raises:
        AccessRefused: it holds none, or one that is soon guessed.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise AccessRefused(f"{path} holds no tokens: {error}") from error
    tokens = tuple(line.strip() for line in lines if line.strip())
    if not tokens:
        raise AccessRefused(f"{path} holds no token; one a line is expected")
    if any(len(each) < _SHORTEST_TOKEN for each in tokens):
        raise AccessRefused(f"a token in {path} has fewer than {_SHORTEST_TOKEN} characters: openssl rand -hex 32")
    return tokens


def _check_tls(certificate: Path, key: Path, client_authority: Path | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise AccessRefused(f"{certificate} and {key} are no certificate and its key: {error}") from error
    if client_authority is not None:
        try:
            context.load_verify_locations(client_authority)
        except (OSError, ssl.SSLError) as error:
            raise AccessRefused(f"{client_authority} holds no certificate: {error}") from error


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted; give one that is not")
