"""`hotswap publish --sign` and `--trusted-key`: what a data scientist signs, and whom a reader believes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launch.commands.hotswap_command import Command, drop, error_line
from tests.models.signatures.makers import Maker, signed_by_their_tool, verified_by_their_tool


@pytest.fixture
def alice(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "keys", "alice")


def test_a_signed_release_is_believed_by_those_who_trust_its_key(hotswap: Command, alice: Maker) -> None:
    drop("cats.onnx")
    outcome = hotswap("publish", "cats.onnx", "bucket/", "--sign", str(alice.private))
    assert outcome.code == 0
    [signature] = Path("bucket").glob("*.sig")
    released = signature.with_suffix("")
    assert outcome.last_line.startswith(f"{released}@sha256:")
    verified_by_their_tool(released, "key", "--public_key", alice.public)

    vetted = hotswap("vet", str(released), "--trusted-key", str(alice.public))
    assert vetted.code == 0
    assert "signed by the key sha256:" in vetted.out
    [listed] = json.loads(hotswap("models", "bucket/*", "--json", "--trusted-key", str(alice.public)).out)
    assert (listed["uri"], listed["state"]) == (str(released), "live")


def test_what_others_signed_or_nobody_is_rejected(hotswap: Command, alice: Maker) -> None:
    mallory = Maker(alice.folder, "mallory")
    model = Path(drop("cats.onnx"))
    answer = json.loads(hotswap("vet", str(model), "--json", "--trusted-key", str(alice.public)).out)
    assert (answer["verdict"], answer["fault"]) == ("rejected", "unsigned")
    signed_by_their_tool(model, "key", "--private_key", mallory.private)
    outcome = hotswap("vet", str(model), "--trusted-key", str(alice.public))
    assert outcome.code == 1
    assert "bad_signature" in outcome.out
    both = hotswap("vet", str(model), "--trusted-key", str(alice.public), "--trusted-key", str(mallory.public))
    assert both.code == 0


def test_a_certificate_signs_and_its_authority_is_trusted(hotswap: Command, alice: Maker) -> None:
    root = Maker(alice.folder, "root")
    own = alice.certified("Alice of Cats", root)
    drop("cats.onnx")
    with_certificate = ("--sign", str(alice.private), "--certificate", str(own))
    released = hotswap("publish", "cats.onnx", "bucket/cats.onnx", *with_certificate)
    assert released.code == 0
    authority = root.certified("root", authority=True)
    answer = json.loads(hotswap("vet", "bucket/cats.onnx", "--json", "--trusted-key", str(authority)).out)
    assert answer["signed_by"] == "the certificate of CN=Alice of Cats"


def test_rollback_makes_no_model_live_that_nobody_trusted_signed(hotswap: Command, alice: Maker) -> None:
    drop("old.onnx", favours=0, age=300)
    drop("new.onnx", favours=1, age=100)
    signed_by_their_tool(Path("new.onnx"), "key", "--private_key", alice.private)
    outcome = hotswap("rollback", "*.onnx", "--trusted-key", str(alice.public))
    assert outcome.code == 1
    assert "new.onnx is the only valid one" in error_line(outcome)


def test_an_encrypted_key_takes_its_password_from_the_environment(
    hotswap: Command, alice: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("cats.onnx")
    encrypted = str(alice.encrypted("a word"))
    refused = hotswap("publish", "cats.onnx", "bucket/", "--sign", encrypted)
    assert refused.code == 2
    assert "set HOTSWAP_SIGN_PASSWORD" in error_line(refused)
    monkeypatch.setenv("HOTSWAP_SIGN_PASSWORD", "a word")
    assert hotswap("publish", "cats.onnx", "bucket/", "--sign", encrypted).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "cats.onnx", "bucket/", "--certificate", "keys/alice.pub"], "--certificate goes with --sign"),
        (["publish", "cats.onnx", "bucket/", "--sign", "keys/alice.pub"], "keys/alice.pub is no private key"),
        (["publish", "cats.onnx", "bucket/", "--sign", "absent.pem"], "absent.pem cannot be read"),
        (["vet", "cats.onnx", "--trusted-key", "keys/alice.pem"], "keys/alice.pem is a private key"),
        (["models", "*.onnx", "--trusted-key", "absent.pub"], "there is no file absent.pub"),
    ],
)
def test_a_key_that_is_none_is_one_line_before_anything_is_done(
    hotswap: Command, alice: Maker, arguments: list[str], said: str
) -> None:
    drop("cats.onnx")
    outcome = hotswap(*arguments)
    assert outcome.code == 2
    assert said in error_line(outcome)
    assert not Path("bucket").exists()


def test_a_dry_run_signs_nothing(hotswap: Command, alice: Maker) -> None:
    drop("cats.onnx")
    assert hotswap("publish", "cats.onnx", "bucket/", "--sign", str(alice.private), "--dry-run").code == 0
    assert not Path("bucket").exists()
