"""`hotswap fleet serve` from the first model to its end, as devices see it."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from fleet.fleet import Fleet
from models.components.twin import Reported, ReportedModel, Twin
from models.reference import sha256_of
from serving.listening import HttpServer
from tests.component_files import component
from tests.fleet.running_fleet import PATIENCE_SECONDS, RunningFleet, running_fleet
from tests.launch.commands.hotswap_command import Command
from tests.launch.tiny_models import tiny_onnx
from tests.models.signatures.makers import Maker
from tests.models.storage.other_buckets import azure_container, s3_bucket
from tests.serving.certificates import Authority
from tests.waiting import eventually


class Device:
    """A device that asks, and remembers.

    Attributes:
        etag: of what it was told last; "" before.
        unchanged: how often nothing had changed.
    """

    def __init__(self, server: RunningFleet, name: str = "robot-1", verify: ssl.SSLContext | bool = True) -> None:
        with Fleet(str(server.database)) as fleet:
            token = fleet.devices.add(name)
        self._url = f"{server.url}/twins/{name}"
        self._http = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=60, verify=verify)
        self.etag = ""
        self.unchanged = 0

    def poll(self, url: str | None = None) -> Twin | None:
        """What it is to run; None where nothing changed."""
        response = self._http.get(url or self._url, headers={"if-none-match": self.etag} if self.etag else {})
        if response.status_code == 304:
            assert response.content == b""
            self.unchanged += 1
            return None
        assert response.status_code == 200, response.text
        self.etag = response.headers["etag"]
        return Twin.decode(response.content)

    def poll_until_changed(self, url: str | None = None) -> Twin:
        """Asks until it is told something with a model in it."""

        def look() -> Twin | None:
            twin = self.poll(url)
            return twin if twin is not None and twin.models else None

        twin = eventually(look, "another model", 120)
        assert twin is not None
        return twin

    def report(self, twin: Twin, state: str = "running") -> None:
        """Says what became of all that it is to run."""
        said = tuple(
            ReportedModel(each.name, each.version, each.sha256, "", state)  # type: ignore[arg-type]
            for each in twin.models
        )
        response = self._http.patch(
            f"{self._url}/properties/reported", json=Reported(said, "0.2.0", "linux-x86_64").to_json()
        )
        assert response.status_code == 204, response.text

    def fetch(self, url: str) -> bytes:
        """An archive; without its token, since the address is the right."""
        response = httpx.get(url, timeout=60)
        assert response.status_code == 200, response.text
        return response.content


@pytest.mark.end_to_end
def test_a_device_gets_each_model_that_goes_live_and_a_restart_changes_nothing(tmp_path: Path) -> None:
    first = tiny_onnx(tmp_path / "models" / "a.onnx", favours=0)
    with running_fleet(tmp_path) as server:
        device = Device(server)
        twin = device.poll_until_changed()
        [model] = twin.models
        archive = device.fetch(model.url)
        assert (hashlib.sha256(archive).hexdigest(), len(archive)) == (model.sha256, model.size)
        (tmp_path / "fetched.zip").write_bytes(archive)
        assert component(tmp_path / "fetched.zip").source_sha256 == sha256_of(first)
        assert component(tmp_path / "fetched.zip").model_id == f"{first}@sha256:{sha256_of(first)[:12]}"
        device.report(twin)
        server.said(r"^packaged model 1\.0\.0 for linux-x86_64: ")
        server.said(r"^rollout of model 1\.0\.0: 1 of 1 device")
        assert device.poll() is None
        tiny_onnx(tmp_path / "models" / "b.onnx", favours=1)
        second = device.poll_until_changed()
        assert [(each.name, each.version) for each in second.models] == [("model", "2.0.0")]
        assert device.unchanged
        device.report(second)
        server.said(r"^rollout of model 2\.0\.0: 1 of 1 device, done")
        first.touch()
        back = device.poll_until_changed()
        assert [(each.version, each.sha256) for each in back.models] == [("1.0.0", model.sha256)]
        device.report(back)
        assert server.finish() == 0
    with running_fleet(tmp_path) as server:
        again = server.url + "/twins/robot-1"
        server.said(r"^newest valid model|^model accepted|^ready")
        for _ in range(20):
            assert device.poll(again) is None
        with Fleet(str(server.database)) as fleet:
            assert [each.version for each in fleet.releases.all()] == ["1.0.0", "2.0.0"]
            assert [each.version for each in fleet.rollouts.all()] == ["1.0.0", "2.0.0", "1.0.0"]
        assert server.finish(signal.SIGINT) == 0
        assert "packaged" not in server.log()


@pytest.mark.end_to_end
@pytest.mark.parametrize("becomes", ["removed", "replaced"])
def test_a_database_that_is_another_one_ends_the_server_with_a_line(tmp_path: Path, becomes: str) -> None:
    with running_fleet(tmp_path) as server:
        assert server.url
        server.database.rename(tmp_path / "away.db")
        if becomes == "replaced":
            with Fleet(str(server.database)) as fleet:
                fleet.devices.add("robot-1")
        assert server.process.wait(PATIENCE_SECONDS) == 1
        server.said(rf"^error: .*fleet\.db was (removed|{becomes}) while it was served")


@pytest.mark.end_to_end
def test_a_rollout_that_fails_halts_by_itself_and_is_told(tmp_path: Path) -> None:
    tiny_onnx(tmp_path / "models" / "a.onnx", favours=0)
    with running_fleet(tmp_path, "--rollout", "50,100", "--pause", "0.5") as server:
        devices = [Device(server, f"robot-{number}") for number in range(2)]

        def all_have_it() -> bool:
            # The second is told once the first said that it runs it.
            for device in devices:
                if (twin := device.poll()) is not None:
                    device.report(twin)
            return "rollout of model 1.0.0: 2 of 2 devices, done" in server.log()

        eventually(all_have_it, "the first rollout", 120)
        tiny_onnx(tmp_path / "models" / "b.onnx", favours=1)
        server.said(r"^rollout of model 2\.0\.0: 1 of 2 devices$")
        # Which of the two has its turn is no matter of this test.
        for device in devices:
            if (told := device.poll()) is not None:
                device.report(told, "failed")
        halted = server.said(r"^halted: .*$")
        assert "model 2.0.0" in halted and "1 of 2 devices" in halted


@pytest.mark.end_to_end
def test_every_model_of_another_name_comes_beside_the_live_one(tmp_path: Path) -> None:
    for favours, name in enumerate(("cats", "dogs", "live")):
        tiny_onnx(tmp_path / "models" / f"{name}.onnx", favours=favours)
        (tmp_path / "models" / f"{name}.onnx").touch()
    (tmp_path / "models" / "broken.onnx").write_bytes(b"no model")
    with running_fleet(tmp_path, "--all") as server:
        device = Device(server)

        def names() -> list[str]:
            with Fleet(str(server.database)) as fleet:
                return [each.name for each in fleet.twins.read("robot-1").models]

        eventually(lambda: len(names()) == 4, "all models", 120)
        assert names()[0] == "model"
        assert sorted(names()[1:]) == ["cats", "dogs", "live"]
        server.said(r"^\S*broken\.onnx is left out: ")
        twin = device.poll_until_changed()
        assert len({each.name for each in twin.models}) == 4


@pytest.mark.end_to_end
def test_signed_over_tls(tmp_path: Path) -> None:
    tiny_onnx(tmp_path / "models" / "a.onnx")
    authority = Authority(tmp_path)
    pair = authority.pair("server", "127.0.0.1")
    maker = Maker(tmp_path, "maker")
    options = ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--sign", str(maker.private)]
    with running_fleet(tmp_path, *options) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(authority.certificate))
        device = Device(server, verify=context)
        [model] = device.poll_until_changed().models
        assert model.signature is not None and "mediaType" in model.signature
        assert model.url.startswith("https://")
        assert httpx.get(model.url, verify=context).status_code == 200


@pytest.mark.end_to_end
@pytest.mark.parametrize("kind", ["s3", "az"])
def test_a_shelf_in_a_bucket_is_read_by_addresses_of_the_bucket_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    tiny_onnx(tmp_path / "models" / "a.onnx")
    container = tmp_path / "azurite"
    container.mkdir()
    bucket = s3_bucket(monkeypatch) if kind == "s3" else azure_container(monkeypatch, container)
    with bucket as address, running_fleet(tmp_path, "--shelf", f"{address}/shelf") as server:
        device = Device(server)
        [model] = device.poll_until_changed().models
        assert not model.url.startswith(server.url)
        archive = device.fetch(model.url)
        assert hashlib.sha256(archive).hexdigest() == model.sha256
        assert httpx.get(model.url.partition("?")[0]).status_code in (401, 403, 404)
        assert device.poll() is None


@pytest.mark.end_to_end
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_whoever_is_ended_while_it_packages_goes_on_the_next_time(tmp_path: Path, how: int) -> None:
    tiny_onnx(tmp_path / "models" / "a.onnx")
    with running_fleet(tmp_path) as server:
        device = Device(server)
        server.said(r"^vetting ")
        code = server.finish(how)
        assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        assert "Traceback" not in server.log()
    with running_fleet(tmp_path) as server:
        twin = device.poll_until_changed(f"{server.url}/twins/robot-1")
        assert [(each.name, each.version) for each in twin.models] == [("model", "1.0.0")]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "--tls-cert"),
        (["--database", "postgresql://u:secret@127.0.0.1:1/none"], "127.0.0.1"),
        (["--database", "mysql://u:secret@127.0.0.1/none"], "--database takes"),
        (["--rollout", "50,20"], "10,50,100"),
        (["--rollout", "all"], "10,50,100"),
        (["--halt-above", "101"], "percent"),
        (["--pause", "-1"], "seconds"),
        (["--pause", "nan"], "numbers"),
        (["--rollout", "10,nan,100"], "numbers"),
        (["--poll-seconds", "nan"], "more than 0"),
        (["--poll-seconds", "inf"], "more than 0"),
        (["--poll-seconds", "0"], "more than 0"),
        (["--database", "absent/fleet.db"], "absent"),
        (["--public-url", "ftp://x"], "https://HOST"),
        (["--precision", "int8"], "--calibration"),
        (["--shelf", "ftp://x/y"], "place for components"),
        (["--component", "../x"], "--component"),
        (["--tls-cert", "no.pem"], "go together"),
        (["--certificate", "no.pem"], "--sign"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(hotswap: Command, options: list[str], told: str) -> None:
    outcome = hotswap(
        "fleet", "serve", "--models", "models/*", *([] if "--database" in options else ["--database", "fleet.db"]),
        "--port", "0", *options,
    )  # fmt: skip
    assert outcome.code != 0
    [line] = outcome.err.splitlines()
    assert line.startswith("error: ") and told in line and "secret" not in line


def test_a_server_that_listens_no_more_ends_with_an_error(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(server: HttpServer) -> None:
        raise RuntimeError("the event loop lost its sockets")

    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(HttpServer, "main_loop", broken)
    outcome = hotswap("fleet", "serve", "--models", "models/*", "--database", "fleet.db", "--port", "0")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "error: devices are not answered any more: the event loop lost its sockets"


def test_an_address_that_is_taken_is_said_in_one_line(hotswap: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = hotswap("fleet", "serve", "--models", "models/*", "--database", "fleet.db", "--port", port)
    assert outcome.code == 1
    assert f"127.0.0.1:{port} cannot be listened at" in outcome.err
