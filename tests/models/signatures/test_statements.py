"""Statements of something else than one file sign no component, whoever signed them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import ComponentFault, ComponentRefused
from models.signatures.bundles import DeviceKeys
from models.signatures.signer import Signer
from models.signatures.statements import StatementMalformed, read_bundle
from tests.models.signatures.makers import Maker, signed_by_their_tool, statement_of

ARCHIVE = b"the very archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("makers"), "alice")


@pytest.fixture(scope="module")
def statement(alice: Maker) -> dict[str, Any]:
    archive, signature = alice.folder / "a.zip", alice.folder / "a.zip.sig"
    archive.write_bytes(ARCHIVE)
    Signer(alice.private).sign(archive, signature)
    return statement_of(signature.read_bytes())


def refused(maker: Maker, signature: str | bytes) -> str:
    """What is said of a signature by this maker, to those who trust nobody else, and to those who trust nobody."""
    with pytest.raises(ComponentRefused) as refusal:
        DeviceKeys([maker.public.read_text()]).signed_digest(signature)
    assert refusal.value.fault == ComponentFault.BAD_SIGNATURE
    assert refusal.value.detail.isprintable()
    with pytest.raises(StatementMalformed):
        read_bundle(signature).sha256()
    return refusal.value.detail


def _two_resources(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"] *= 2


def _no_resource(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"] = []


def _a_folder(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["name"] = "digits.zip"


def _blake(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["algorithm"] = "blake2"


def _hashed_by_blake(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["hash_type"] = "blake3"


def _in_shards(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"] |= {"method": "shards", "shard_size": 5}


def _leaving_itself_out(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["ignore_paths"] = ["."]


def _in_a_way_of_its_own(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["only_first_bytes"] = 1


def _another_sum(statement: dict[str, Any]) -> None:
    statement["subject"][0]["digest"]["sha256"] = "0" * 64


def _two_subjects(statement: dict[str, Any]) -> None:
    statement["subject"] *= 2


def _of_another_form(statement: dict[str, Any]) -> None:
    statement["predicateType"] = "https://model_signing/Digests/v0.1"


def _of_another_statement(statement: dict[str, Any]) -> None:
    statement["_type"] = "https://in-toto.io/Statement/v0.1"


def _in_capitals(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["digest"] = SHA256.upper()


OTHERWISE = [
    _two_resources,
    _no_resource,
    _a_folder,
    _blake,
    _hashed_by_blake,
    _in_shards,
    _leaving_itself_out,
    _in_a_way_of_its_own,
    _another_sum,
    _two_subjects,
    _of_another_form,
    _of_another_statement,
    _in_capitals,
]


@pytest.mark.parametrize("otherwise", OTHERWISE, ids=lambda value: value.__name__)
def test_a_trusted_signature_of_something_else_than_one_file_signs_nothing(
    alice: Maker, statement: dict[str, Any], otherwise: Callable[[dict[str, Any]], None]
) -> None:
    changed = copy.deepcopy(statement)
    otherwise(changed)
    signature = json.dumps(alice.signed(json.dumps(changed).encode()))
    assert refused(alice, signature).startswith("it signs no single file: ")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"\xff", b"[" * 40_000, '{"_type": 1}'.encode("utf-16")])
def test_a_trusted_signature_of_what_is_no_statement_signs_nothing(alice: Maker, payload: bytes) -> None:
    assert refused(alice, json.dumps(alice.signed(payload))).startswith("it signs no single file: ")


def test_a_signature_of_a_folder_signs_no_file(alice: Maker, tmp_path: Path) -> None:
    folder = tmp_path / "signed"
    folder.mkdir()
    for name in ("", "digits.zip", "more.zip"):
        if name:
            (folder / name).write_bytes(ARCHIVE)
        signature = signed_by_their_tool(folder, "key", "--private_key", alice.private).read_bytes()
        assert refused(alice, signature).startswith("it signs no single file: ")
