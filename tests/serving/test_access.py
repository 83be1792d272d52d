"""Who may come in: nobody who was not meant to."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.loopback import is_loopback
from serving.access import Access, AccessRefused, read_access, read_tokens

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_an_address_of_this_machine_alone_needs_nothing(host: str) -> None:
    assert is_loopback(host)
    Access(host).require_closed()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "models.example.com", "localhost.example.com"])
def test_an_address_that_others_reach_needs_tls_and_a_way_to_tell_who_asks(host: str) -> None:
    for access, missing in (
        (Access(host), "--tls-cert and --tls-key and --token-file or --tls-client-ca"),
        (Access(host, tokens=(TOKEN,)), "--tls-cert and --tls-key"),
        (Access(host, Path("cert"), Path("key")), "--token-file or --tls-client-ca"),
    ):
        with pytest.raises(AccessRefused, match=f"give {missing}, or --insecure"):
            access.require_closed()
    Access(host, Path("cert"), Path("key"), tokens=(TOKEN,)).require_closed()
    Access(host, Path("cert"), Path("key"), Path("authority")).require_closed()


def test_without_tokens_nobody_needs_one() -> None:
    assert Access().admits(None)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer é\udcff",
    ],
)
def test_whoever_bears_no_token_stays_out(authorization: str | None) -> None:
    assert not Access(tokens=(TOKEN,)).admits(authorization)


def test_any_of_several_tokens_lets_in_so_that_they_can_be_changed() -> None:
    access = Access(tokens=("f" * 32, TOKEN))
    assert access.admits(f"Bearer {TOKEN}")
    assert access.admits(f"bearer  {TOKEN} ")


def test_a_file_has_a_token_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\n  {TOKEN[::-1]}  \n")
    assert read_tokens(path) == (TOKEN, TOKEN[::-1])


@pytest.mark.parametrize(
    ("text", "why"), [("", "holds no token"), ("\n \n", "holds no token"), ("short\n", "fewer than 16")]
)
def test_a_file_without_tokens_lets_nobody_in(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(AccessRefused, match=why):
        read_tokens(path)


def test_a_file_that_cannot_be_read_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="holds no tokens"):
        read_tokens(tmp_path / "none")


def test_files_that_go_together_are_asked_for_together(tmp_path: Path) -> None:
    here = tmp_path / "file"
    here.write_text("no certificate")
    for certificate, key, authority, why in (
        (here, None, None, "go together"),
        (None, here, None, "go together"),
        (None, None, here, "--tls-client-ca goes with"),
        (here, here, None, "no certificate and its key"),
    ):
        with pytest.raises(AccessRefused, match=why):
            read_access("127.0.0.1", certificate, key, authority, None)
