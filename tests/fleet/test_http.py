"""What devices get over HTTP, what strangers do not, and what hostile requests come to."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from fleet.addresses import LIFETIME_SECONDS
from fleet.allowance import Allowance
from fleet.fleet import Fleet
from models.components.twin import Reported, ReportedModel, Twin
from serving.access import Access
from tests.fleet.running_api import Api, bearing, running_api
from tests.fleet.simulated import Clock
from tests.waiting import eventually

OPERATOR = "an-operator-s-token"


@pytest.fixture
def address(tmp_path: Path) -> str:
    """What is asked over HTTP is the same in any database."""
    return f"sqlite:///{tmp_path}/fleet.db"


def error(response: httpx.Response, status: int) -> str:
    """Why there is no answer: one line of JSON."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    told = response.json()
    assert list(told) == ["error"] and "\n" not in told["error"]
    return str(told["error"])


def raw(api: Api, request: bytes) -> bytes:
    """What comes back of bytes as they are, until the server closes."""
    host, port = urlsplit(api.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_device_is_told_what_it_is_to_run_and_where_it_is(api: Api) -> None:
    headers = api.device()
    release = api.release()
    response = api.http.get("/twins/robot-1", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    twin = Twin.decode(response.content)
    assert response.headers["etag"] == f'"{twin.etag}"'
    [model] = twin.models
    assert (model.name, model.version, model.sha256, model.size) == ("model", "1.0.0", release.sha256, release.size)
    fetched = httpx.get(model.url)
    assert fetched.status_code == 200
    assert fetched.content == Path(release.uri).read_bytes()
    assert model.url.startswith(api.url)


def test_a_device_that_knows_is_told_nothing(api: Api) -> None:
    headers = api.device()
    api.release()
    etag = api.http.get("/twins/robot-1", headers=headers).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        response = api.http.get("/twins/robot-1", headers=headers | {"if-none-match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert api.http.get("/twins/robot-1", headers=headers | {"if-none-match": '"other"'}).status_code == 200


def test_what_another_process_wrote_counts_at_the_next_poll(api: Api, address: str) -> None:
    headers = api.device()
    known = headers | {"if-none-match": api.http.get("/twins/robot-1", headers=headers).headers["etag"]}
    assert api.http.get("/twins/robot-1", headers=known).status_code == 304
    with Fleet(address) as other:
        twin = other.twins.read("robot-1")
        other.twins.write_desired("robot-1", twin.models, twin.etag)
        assert api.http.get("/twins/robot-1", headers=known).status_code == 200
        token = other.devices.renew_token("robot-1")
    error(api.http.get("/twins/robot-1", headers=known), 401)
    assert api.http.get("/twins/robot-1", headers=bearing(token)).status_code == 200


def test_a_stranger_learns_nothing_not_even_which_devices_there_are(api: Api) -> None:
    headers = api.device()
    api.device("robot-2")
    told = {
        error(api.http.get(f"/twins/{device}", headers=shown), 401)
        for device, shown in (
            ("robot-1", {}),
            ("robot-1", bearing("wrong")),
            ("robot-1", {"authorization": headers["authorization"].replace("Bearer", "Basic")}),
            ("robot-2", headers),
            ("nobody", headers),
            ("nobody", {}),
            ("x" * 5000, headers),
            ("%00", headers),
            ("robot-1%0a", headers),
        )
    }
    assert len(told) == 1
    response = api.http.get("/twins/nobody", headers=headers)
    assert response.headers["www-authenticate"] == "Bearer"


def test_what_a_device_reports_is_kept_and_no_other_s(api: Api) -> None:
    headers = api.device()
    api.device("robot-2")
    said = Reported(
        (ReportedModel("model", "1.0.0", "ab" * 32, "m.onnx@sha256:0", "running"),), "0.2.0", "linux-aarch64", 1 << 30
    )
    path = "/twins/robot-1/properties/reported"
    response = api.http.patch(path, headers=headers, json=said.to_json())
    assert (response.status_code, response.content) == (204, b"")
    kept = api.fleet.twins.read("robot-1").reported
    assert (kept.models, kept.target, kept.version) == (said.models, "linux-aarch64", 1)
    error(api.http.patch(path.replace("1", "2"), headers=headers, json=said.to_json()), 401)
    assert api.fleet.twins.read("robot-2").reported.version == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[" * 60_000,
        b"\xff\xfe",
        b"[]",
        b'{"models": 7}',
        b'{"models": [{"name": "../x", "version": "1.0.0", "sha256": "", "state": "running"}]}',
        b'{"agent": "a\\u0000b"}',
        b'{"agent": "\\ud800"}',
        b'{"free_bytes": 1e400}',
        b'{"free_bytes": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_report_that_is_none_changes_nothing(api: Api, body: bytes) -> None:
    headers = api.device()
    error(api.http.patch("/twins/robot-1/properties/reported", headers=headers, content=body), 400)
    assert api.fleet.twins.read("robot-1").reported.version == 0


def test_a_report_of_more_than_64_kib_is_refused(api: Api) -> None:
    headers = api.device()
    body = b'{"agent": "' + b"a" * (64 << 10) + b'"}'
    error(api.http.patch("/twins/robot-1/properties/reported", headers=headers, content=body), 413)
    assert api.fleet.twins.read("robot-1").reported.version == 0


def test_a_component_is_sent_from_where_a_device_was_cut_off(api: Api) -> None:
    headers = api.device()
    content = bytes(range(256)) * 100
    release = api.release(content=content)
    url = Twin.decode(api.http.get("/twins/robot-1", headers=headers).content).models[0].url
    head = httpx.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(content))
    assert head.headers["etag"] == f'"{release.sha256}"'
    rest = httpx.get(url, headers={"range": "bytes=20000-", "if-range": head.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, content[20_000:])
    assert rest.headers["content-range"] == f"bytes 20000-{len(content) - 1}/{len(content)}"
    assert httpx.get(url, headers={"range": "bytes=-5"}).content == content[-5:]
    assert httpx.get(url, headers={"range": "bytes=5-9"}).content == content[5:10]
    beyond = httpx.get(url, headers={"range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    other = httpx.get(url, headers={"range": "bytes=5-", "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, content)


@pytest.mark.parametrize(
    "wanted",
    ["bytes=0-1,5-9", "bytes=" + "0-0," * 500 + "0-0", "bytes=9-5x", "items=0-5", "bytes=", "bytes=" + "9" * 5000],
)
def test_whoever_asks_for_odd_parts_gets_the_whole(api: Api, wanted: str) -> None:
    headers = api.device()
    release = api.release()
    url = Twin.decode(api.http.get("/twins/robot-1", headers=headers).content).models[0].url
    response = httpx.get(url, headers={"range": wanted})
    assert (response.status_code, len(response.content)) == (200, release.size)


def test_an_address_dies_within_the_hour_and_is_of_one_file_alone(api: Api) -> None:
    headers = api.device()
    api.release()
    known = api.http.get("/twins/robot-1", headers=headers)
    url = Twin.decode(known.content).models[0].url
    api.release("2.0.0", b"PK another")
    error(httpx.get(url.replace("1.0.0", "2.0.0")), 403)
    error(httpx.get(url.partition("?")[0]), 403)
    error(httpx.get(url.replace("expires=", "expires=9")), 403)
    assert httpx.get(url).status_code == 200
    api.clock.now += LIFETIME_SECONDS
    error(httpx.get(url), 403)
    error(httpx.get(url, headers={"range": "bytes=0-1"}), 403)
    assert httpx.head(url).status_code == 403
    renewed = Twin.decode(api.http.get("/twins/robot-1", headers=headers).content).models[0].url
    assert httpx.get(renewed).status_code == 200


def test_a_new_address_is_no_new_state(api: Api) -> None:
    headers = api.device()
    api.release()
    first = api.http.get("/twins/robot-1", headers=headers)
    api.clock.now += LIFETIME_SECONDS
    second = api.http.get("/twins/robot-1", headers=headers)
    assert first.headers["etag"] == second.headers["etag"]
    assert first.content != second.content


def test_nothing_leads_out_of_the_shelf(api: Api, tmp_path: Path) -> None:
    api.device()
    api.release()
    (tmp_path / "secret.zip").write_bytes(b"what nobody may read")
    for path in (
        "/components/model/1.0.0/../../../../secret.zip",
        "/components/..%2f..%2fsecret.zip/x/y.zip",
        "/components/model/1.0.0/%2e%2e%2fsecret.zip",
        "/components/%2e%2e/%2e%2e/secret.zip",
        "/components//etc/passwd",
        "/components/model/1.0.0/",
        "/components/model/",
        "/components/",
        "/",
    ):
        answer = raw(api, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.split(b" ", 2)[1] in (b"403", b"404"), (path, answer)
        assert b"nobody" not in answer


def test_an_archive_that_is_gone_or_damaged_is_not_sent(api: Api) -> None:
    headers = api.device()
    release = api.release()
    url = Twin.decode(api.http.get("/twins/robot-1", headers=headers).content).models[0].url
    content = Path(release.uri).read_bytes()
    Path(release.uri).write_bytes(b"cut")
    error(httpx.get(url), 404)
    Path(release.uri).unlink()
    error(httpx.get(url), 404)
    [line] = api.said
    assert "is not on the shelf any more" in line
    Path(release.uri).write_bytes(content)
    assert httpx.get(url).status_code == 200
    assert api.said[1:] == ["model-1.0.0-linux-x86_64.zip is on the shelf again"]


@pytest.mark.parametrize(
    "host",
    ["evil.example/path", "a@b", "a b", "a:b", "a:99999", "", "[::1", "a\\b", "x" * 300, "ä.example", "a?b", "a#b"],
)
def test_no_address_is_made_of_a_host_that_is_none(api: Api, host: str) -> None:
    headers = api.device()
    api.release()
    request = f"GET /twins/robot-1 HTTP/1.1\r\nHost: {host}\r\nAuthorization: {headers['authorization']}\r\n"
    answer = raw(api, (request + "Connection: close\r\n\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"/components/" not in answer


def test_addresses_are_where_the_operator_says_that_the_server_is(fleet: Fleet, clock: Clock, tmp_path: Path) -> None:
    with running_api(fleet, tmp_path / "shelf", clock, public_url="https://fleet.example/here") as api:
        headers = api.device() | {"host": "a@b"}
        api.release()
        [model] = Twin.decode(api.http.get("/twins/robot-1", headers=headers).content).models
        assert model.url.startswith("https://fleet.example/here/components/model/1.0.0/")


def test_who_hammers_waits_and_others_do_not(fleet: Fleet, clock: Clock, tmp_path: Path) -> None:
    with running_api(fleet, tmp_path / "shelf", clock, allowance=Allowance(0.001, 5)) as api:
        hammering, other = api.device(), api.device("robot-2")
        outcomes = [api.http.get("/twins/robot-1", headers=hammering).status_code for _ in range(8)]
        assert outcomes == [200] * 5 + [429] * 3
        refusal = api.http.get("/twins/robot-1", headers=hammering)
        error(refusal, 429)
        assert int(refusal.headers["retry-after"]) >= 1
        known = hammering | {"if-none-match": f'"{fleet.twins.read("robot-1").etag}"'}
        assert api.http.get("/twins/robot-1", headers=known).status_code == 304
        error(api.http.patch("/twins/robot-1/properties/reported", headers=hammering, json={}), 429)
        assert api.http.get("/twins/robot-2", headers=other).status_code == 200
        # Who has no token uses up nobody's turn.
        for _ in range(20):
            error(api.http.get("/twins/robot-2", headers=bearing("wrong")), 401)
        assert api.http.get("/twins/robot-2", headers=other).status_code == 200


def test_what_there_is_not_is_said_in_json(api: Api) -> None:
    error(api.http.get("/nothing"), 404)
    error(api.http.get("/twins/"), 404)
    error(api.http.post("/twins/robot-1"), 405)
    error(api.http.delete("/components/a/b/c.zip"), 405)
    assert api.http.get("/healthz").json() == {"status": "ok"}


def test_metrics_tell_of_polls_and_bytes(api: Api) -> None:
    headers = api.device()
    release = api.release()
    told = api.http.get("/twins/robot-1", headers=headers)
    api.http.get("/twins/robot-1", headers=headers | {"if-none-match": told.headers["etag"]})
    api.http.get("/twins/robot-1")
    httpx.get(Twin.decode(told.content).models[0].url)
    text = api.http.get("/metrics").text
    for line in (
        'hotswap_fleet_polls_total{outcome="told"} 1.0',
        'hotswap_fleet_polls_total{outcome="unchanged"} 1.0',
        'hotswap_fleet_polls_total{outcome="refused"} 1.0',
        f"hotswap_fleet_component_bytes_total {float(release.size)}",
        "hotswap_fleet_devices 1.0",
        "hotswap_fleet_releases 1.0",
        'hotswap_fleet_rollouts{state="running"} 1.0',
    ):
        assert line in text.splitlines(), line


def test_metrics_are_for_this_machine_or_an_operator(fleet: Fleet, clock: Clock, tmp_path: Path) -> None:
    with running_api(fleet, tmp_path / "shelf", clock) as api:
        error(api.http.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"}), 403)
    with running_api(fleet, tmp_path / "shelf", clock, access=Access(tokens=(OPERATOR,))) as api:
        headers = api.device()
        error(api.http.get("/metrics"), 401)
        error(api.http.get("/metrics", headers=headers), 401)
        assert api.http.get("/metrics", headers=bearing(OPERATOR)).status_code == 200
        error(api.http.get("/twins/robot-1", headers=bearing(OPERATOR)), 401)


def test_a_database_that_does_not_answer_is_said_without_its_address(clock: Clock, tmp_path: Path) -> None:
    database = tmp_path / "fleet.db"
    with Fleet(str(database), clock=clock) as fleet, running_api(fleet, tmp_path / "shelf", clock) as api:
        headers = api.device()
        fleet.close()
        away = database.rename(tmp_path / "away")
        database.mkdir()
        refusal = api.http.get("/twins/robot-1", headers=headers)
        assert "fleet.db" not in error(refusal, 503)
        assert int(refusal.headers["retry-after"]) > 0
        assert api.http.get("/healthz").status_code == 200
        metrics = api.http.get("/metrics").text.splitlines()
        assert {'hotswap_fleet_polls_total{outcome="failed"} 1.0', "hotswap_fleet_database_up 0.0"} <= set(metrics)
        database.rmdir()
        away.rename(database)
        assert "hotswap_fleet_database_up 1.0" in api.http.get("/metrics").text.splitlines()
        assert api.http.get("/twins/robot-1", headers=headers).status_code == 200


def test_who_asked_is_noted(api: Api) -> None:
    headers = api.device()
    api.http.get("/twins/robot-1")
    assert api.polls.seen() == set()
    api.http.get("/twins/robot-1", headers=headers)
    assert eventually(api.polls.seen, "the device") == {"robot-1"}
    assert api.polls.seen() == set()
