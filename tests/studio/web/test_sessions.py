"""A browser is told from another, and known again; nobody can make himself one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serving.access import Access
from studio.web.sessions import Sessions, session_key
from tests.studio.web.running_web import Web

TOKEN = "a-token-that-is-long"


class Clock:
    """Tells the time that it is set to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def cookie_of(header: str) -> str:
    return header.partition(";")[0]


def test_two_browsers_are_two(web: Web) -> None:
    one, other = web.browser(), web.browser()
    browsers = [each.get("/api/state").json()["browser"] for each in (one, one, other)]
    assert browsers[0] == browsers[1] != browsers[2]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in browsers)


def test_scripts_cannot_read_the_cookie_and_other_sites_do_not_send_it(web: Web) -> None:
    header = web.http.get("/").headers["set-cookie"]
    assert header.startswith(f"studio-{web.port}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {each.strip() for each in header.split(";")}


def test_with_tls_the_cookie_is_never_sent_without() -> None:
    sessions = Sessions(b"k", Access(certificate=Path("cert.pem"), key=Path("key.pem")), 443)
    header = sessions.cookie(sessions.begin())
    assert header.startswith("__Host-studio-443=") and header.endswith("; Secure")


def test_a_restart_knows_browsers_again(tmp_path: Path) -> None:
    file = tmp_path / "session.key"
    sessions = Sessions(session_key(file), Access(), 1)
    session = sessions.begin()
    known = Sessions(session_key(file), Access(), 1).known(cookie_of(sessions.cookie(session)))
    assert known is not None and known.browser == session.browser and not known.is_new


def test_the_key_is_for_its_owner_alone_and_a_torn_one_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "session.key"
    first = session_key(file)
    assert file.stat().st_mode & 0o777 == 0o600 and len(first) == 32
    file.write_bytes(first[:7])
    assert session_key(file) not in (first, first[:7]) and len(file.read_bytes()) == 32


@pytest.mark.parametrize(
    "change", [lambda value: value[:-1] + "0g"[value[-1] == "0"], lambda value: value[:20], str.upper]
)
def test_a_cookie_that_was_written_by_others_is_none(change) -> None:
    sessions = Sessions(b"k" * 32, Access(), 1)
    name, _, value = cookie_of(sessions.cookie(sessions.begin())).partition("=")
    assert sessions.known(f"{name}={value}")
    assert sessions.known(f"{name}={change(value)}") is None


def test_a_cookie_with_another_browsers_id_is_none() -> None:
    sessions = Sessions(b"k" * 32, Access(), 1)
    cookie = cookie_of(sessions.cookie(sessions.begin()))
    name, _, value = cookie.partition("=")
    assert sessions.known(f"{name}={sessions.begin().browser}{value[32:]}") is None


def test_another_cookie_that_is_malformed_does_not_hide_it() -> None:
    sessions = Sessions(b"k" * 32, Access(), 1)
    cookie = cookie_of(sessions.cookie(sessions.begin()))
    assert sessions.known(f'other="[{{; {cookie}; =; ;;')


def test_a_session_ends_after_a_month() -> None:
    clock = Clock()
    sessions = Sessions(b"k" * 32, Access(), 1, clock)
    cookie = cookie_of(sessions.cookie(sessions.begin()))
    clock.now += 29 * 24 * 3600
    assert sessions.known(cookie)
    clock.now += 2 * 24 * 3600
    assert sessions.known(cookie) is None


def test_a_session_ends_with_the_token_that_it_began_with() -> None:
    with_both = Sessions(b"k" * 32, Access(tokens=(TOKEN, "another-long-token")), 1)
    cookie = cookie_of(with_both.cookie(with_both.begin(), TOKEN))
    assert with_both.known(cookie)
    assert Sessions(b"k" * 32, Access(tokens=("another-long-token",)), 1).known(cookie) is None


def test_a_session_without_a_token_is_none_where_one_is_wanted() -> None:
    free = Sessions(b"k" * 32, Access(), 1)
    cookie = cookie_of(free.cookie(free.begin()))
    assert Sessions(b"k" * 32, Access(tokens=(TOKEN,)), 1).known(cookie) is None
