"""Who asks: a browser by the cookie that it was given, or a program by a token. Signed, so that nothing is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving.access import Access
from studio.kept_file import kept

_KEY_BYTES = 32
_LIFE_SECONDS = 30 * 24 * 3600
_SKEW_SECONDS = 24 * 3600
"""By which a clock may have been set back since."""
_VALUE = re.compile(r"(?P<browser>[0-9a-f]{32})\.(?P<made>[0-9]{1,12})\.(?P<mark>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Session:
    """Whoever asks.

    Attributes:
        browser: 32 hexadecimal digits by which one is told from another; never shown to anybody else.
        is_program: it bears a token, which no page can have a browser send; it needs no word against forged requests.
        is_new: it has no cookie yet.
    """

    browser: str
    is_program: bool = False
    is_new: bool = False


class Sessions:
    """Makes sessions, and knows them again, after a restart too.

    Args:
        key: that signs; whoever has it is anybody.
        access: of it whether TLS is spoken, and the tokens: a session ends when the token it began with is taken away.
        port: that is listened at. Browsers do not tell cookies of one host's ports apart, so it is in the name.
        clock: seconds since the epoch.
    """

    def __init__(self, key: bytes, access: Access, port: int, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._access = access
        self._clock = clock
        self._cookie = f"__Host-studio-{port}" if access.is_encrypted else f"studio-{port}"

    def known(self, cookies: str) -> Session | None:
        """The browser that a header `Cookie` tells of; None where it tells of none that may come in."""
        # By hand: Python's own reader drops all cookies where a neighbour's on another port is malformed.
        pairs = (each.strip().partition("=") for each in cookies.split(";"))
        values = [value for name, _, value in pairs if name == self._cookie]
        found = _VALUE.fullmatch(values[0]) if len(values) == 1 else None
        if found is None or not -_SKEW_SECONDS <= self._clock() - int(found["made"]) < _LIFE_SECONDS:
            return None
        signed = f"{found['browser']}.{found['made']}"
        matches = [hmac.compare_digest(found["mark"], self._mark(signed, each)) for each in self._tokens]
        return Session(found["browser"]) if any(matches) else None

    def begin(self) -> Session:
        """A session of a browser that has none."""
        return Session(secrets.token_hex(16), is_new=True)

    def of_program(self, token: str) -> Session:
        """The session of whoever bears a token: the same each time."""
        return Session(self._mark("program", token)[:32], is_program=True)

    def cookie(self, session: Session, token: str = "") -> str:
        """The header `Set-Cookie` that makes a browser be known again.

        Args:
            session: of `begin`.
            token: that was given for it; "" where none is wanted.
        """
        signed = f"{session.browser}.{int(self._clock())}"
        secure = "; Secure" if self._access.is_encrypted else ""
        value = f"{self._cookie}={signed}.{self._mark(signed, token)}"
        return f"{value}; Path=/; Max-Age={_LIFE_SECONDS}; HttpOnly; SameSite=Strict{secure}"

    def csrf(self, session: Session) -> str:
        """What the page of a session sends along with whatever changes something; no other page can read it."""
        return self._mark(f"csrf.{session.browser}", "")

    def is_csrf(self, session: Session, given: str) -> bool:
        """Whether this is it; takes as long for any that is not."""
        return hmac.compare_digest(self.csrf(session).encode(), given.encode("utf-8", "surrogateescape"))

    def token(self, given: str) -> str | None:
        """The token that was given, where it is one of those that let in; takes as long for any that is not."""
        sent = given.encode("utf-8", "surrogateescape")
        equal = [each for each in self._access.tokens if hmac.compare_digest(sent, each.encode())]
        return equal[0] if equal else None

    @property
    def _tokens(self) -> tuple[str, ...]:
        return self._access.tokens or ("",)

    def _mark(self, what: str, token: str) -> str:
        return hmac.new(self._key, f"{what}\n{token}".encode(), hashlib.sha256).hexdigest()


def session_key(path: Path) -> bytes:
    """The key that signs sessions: of a file, which is made where it is missing, for its owner alone.

    Raises:
        OSError: it cannot be read or made.
    """
    return kept(path, lambda key: len(key) == _KEY_BYTES, lambda: secrets.token_bytes(_KEY_BYTES))
