"""The client and a closed server: TLS, certificates of both sides, tokens; what does not fit is told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from serving.client import AccessDenied, Client, SettingsUnusable, TlsMismatch
from tests.end_to_end.telling_models import drop
from tests.sample_images import encoded, small
from tests.serving.certificates import Authority, Pair
from tests.serving.running_server import RunningServer, running_server

JPEG = encoded(small(), "JPEG")
TOKEN, OTHER_TOKEN = "a" * 32, "b" * 32


class Files(NamedTuple):
    """What servers and clients show each other."""

    authority: Authority
    stranger: Authority
    server: Pair
    elsewhere: Pair
    tokens: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder)
    tokens = folder / "tokens"
    tokens.write_text(f"{TOKEN}\n{OTHER_TOKEN}\n")
    server = authority.pair("server", "localhost", "127.0.0.1")
    return Files(
        authority, Authority(folder, "stranger"), server, authority.pair("elsewhere", "elsewhere.invalid"), tokens
    )


def closed(root: Path, pair: Pair, *options: str) -> Any:
    (root / "models").mkdir()
    drop(root / "models", "ant")
    return running_server(root, "--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), *options)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[RunningServer]:
    """A server with TLS and tokens."""
    with closed(tmp_path_factory.mktemp("tls"), files.server, "--token-file", str(files.tokens)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[RunningServer]:
    """A server that asks for clients' certificates."""
    authority = str(files.authority.certificate)
    with closed(tmp_path_factory.mktemp("mtls"), files.server, "--tls-client-ca", authority) as server:
        yield server


def label(address: str, **access: Any) -> str:
    """What is seen at an address."""
    with Client(address, **access) as client:
        [answer] = client.predict([JPEG])
        return str(answer.to_json()["label"])


@pytest.mark.parametrize("token", [TOKEN, OTHER_TOKEN])
def test_with_the_authority_and_a_token_it_is_answered(encrypted: RunningServer, files: Files, token: str) -> None:
    assert label(encrypted.grpc, tls_ca=files.authority.certificate, token=token) == "ant"
    port = encrypted.grpc.rpartition(":")[2]
    assert label(f"localhost:{port}", tls_ca=files.authority.certificate, token=token) == "ant"


@pytest.mark.parametrize(("token", "says"), [(None, "wants a token"), ("c" * 32, "does not know this token")])
def test_without_a_token_that_is_known_nothing_is_answered(
    encrypted: RunningServer, files: Files, token: str | None, says: str
) -> None:
    with pytest.raises(AccessDenied, match=says):
        label(encrypted.grpc, tls_ca=files.authority.certificate, token=token)


def test_health_is_told_without_a_token(encrypted: RunningServer, files: Files) -> None:
    with Client(encrypted.grpc, tls_ca=files.authority.certificate) as client:
        assert client.is_ready()
        with pytest.raises(AccessDenied):
            client.status()


def test_plain_text_to_a_server_with_tls_says_so(encrypted: RunningServer) -> None:
    with pytest.raises(TlsMismatch, match="seems to speak TLS, give `tls_ca`"):
        label(encrypted.grpc, token=TOKEN)


def test_whether_it_is_ready_is_no_guess_where_tls_does_not_match(encrypted: RunningServer) -> None:
    with Client(encrypted.grpc) as client, pytest.raises(TlsMismatch):
        client.is_ready()


def test_a_server_of_another_authority_is_not_believed(encrypted: RunningServer, files: Files) -> None:
    with pytest.raises(TlsMismatch, match="`tls_ca` does not vouch for"):
        label(encrypted.grpc, tls_ca=files.stranger.certificate, token=TOKEN)


def test_the_port_of_https_is_told_from_that_of_grpc(encrypted: RunningServer, files: Files) -> None:
    with pytest.raises(SettingsUnusable, match="speaks HTTP"):
        label(encrypted.http, tls_ca=files.authority.certificate)


def test_a_certificate_for_another_host_is_not_believed(tmp_path: Path, files: Files) -> None:
    with closed(tmp_path, files.elsewhere) as server, pytest.raises(TlsMismatch, match="other hosts"):
        label(server.grpc, tls_ca=files.authority.certificate)


def test_tls_to_a_server_without_says_so(tmp_path: Path, files: Files) -> None:
    (tmp_path / "models").mkdir()
    drop(tmp_path / "models", "ant")
    with running_server(tmp_path) as server, pytest.raises(TlsMismatch, match="speaks no TLS"):
        label(server.grpc, tls_ca=files.authority.certificate)


def test_a_client_with_a_certificate_of_the_authority_is_answered(mutual: RunningServer, files: Files) -> None:
    mine = files.authority.pair("client")
    access = {"certificate": mine.certificate, "key": mine.key}
    assert label(mutual.grpc, tls_ca=files.authority.certificate, **access) == "ant"


def test_a_client_without_a_certificate_is_told_that_one_is_wanted(mutual: RunningServer, files: Files) -> None:
    with pytest.raises(TlsMismatch, match="want a client's certificate"):
        label(mutual.grpc, tls_ca=files.authority.certificate)


def test_a_client_of_another_authority_is_not_let_in(mutual: RunningServer, files: Files) -> None:
    theirs = files.stranger.pair("strange_client")
    access = {"certificate": theirs.certificate, "key": theirs.key}
    with pytest.raises(TlsMismatch, match="not to accept this client's certificate"):
        label(mutual.grpc, tls_ca=files.authority.certificate, **access)


def test_a_key_of_another_certificate_is_said_at_once(files: Files) -> None:
    mine, theirs = files.authority.pair("mine"), files.authority.pair("theirs")
    with pytest.raises(SettingsUnusable, match="no certificate and its key"):
        Client("localhost:1", tls_ca=files.authority.certificate, certificate=mine.certificate, key=theirs.key)
