"""What an agent does not take in, whoever desires it."""

from __future__ import annotations

from pathlib import Path

from edge.machine import target
from models.components.component import TARGETS
from models.signatures.bundles import DeviceKeys
from models.signatures.signer import Signer
from tests.component_files import component_of, repacked
from tests.edge.agents import DeviceFiles, once
from tests.edge.fleet_server import FleetServer
from tests.models.signatures.makers import Maker


def signature_of(archive: Path, by: Maker, folder: Path) -> str:
    """What `hotswap package --sign` writes beside it."""
    Signer(by.private).sign(archive, folder / "signature")
    return (folder / "signature").read_text()


def test_an_archive_of_another_component_is_refused(
    device: DeviceFiles, server: FleetServer, first: Path, tmp_path: Path
) -> None:
    model = server.model(first)
    server.desire_models(type(model)(model.name, "9.9.9", "", model.sha256, model.size))
    here = once(device, server)

    assert not device.current.exists()
    assert here.probed == []
    assert server.state_of("9.9.9") == "failed other_component"


def test_what_is_for_another_machine_is_refused_before_it_is_executed(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    [other] = set(TARGETS) - {target()}
    server.desire(component_of(tmp_path / "shelf", target=other))
    here = once(device, server)

    assert not device.current.exists()
    assert here.probed == []
    assert server.state_of("1.0.0") == "failed other_component"
    assert here.has_told(f"for {other}, and this machine is {target()}")()


def test_what_nobody_trusted_signed_is_refused_before_a_byte_of_it_is_fetched(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, tmp_path: Path
) -> None:
    ours, theirs = Maker(tmp_path, "ours"), Maker(tmp_path, "theirs")
    keys = DeviceKeys([ours.public.read_text()])
    server.desire(first, signature=signature_of(first, ours, tmp_path))
    assert once(device, server, keys=keys).agent.why_not() == ""

    sent = server.sent
    for signature, word in (
        (None, "unsigned"),
        (signature_of(second, theirs, tmp_path), "bad_signature"),
        (signature_of(first, ours, tmp_path), "bad_signature"),
    ):
        server.desire(second, signature=signature)
        here = once(device, server, keys=keys)
        assert server.state_of("2.0.0") == f"failed {word}"
        assert here.probed == []
    assert server.sent == sent
    assert device.label() == "ant"

    server.desire(second, signature=signature_of(second, ours, tmp_path))
    assert once(device, server, keys=keys).agent.why_not() == ""


def test_a_signature_of_other_bytes_is_refused_by_whoever_trusts_no_key_too(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, tmp_path: Path
) -> None:
    server.desire(first, signature=signature_of(second, Maker(tmp_path, "somebody"), tmp_path))
    once(device, server)

    assert server.state_of("1.0.0") == "failed bad_signature"
    assert server.sent == 0


def test_an_archive_with_a_file_that_leads_elsewhere_is_refused(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    once(device, server)
    server.desire(repacked(second, lambda members: members.update({"../../../escaped": b"bytes"})))
    once(device, server)

    assert device.label() == "ant"
    assert server.state_of("2.0.0") == "failed unsafe_name"
    assert not list(device.root.rglob("escaped"))
