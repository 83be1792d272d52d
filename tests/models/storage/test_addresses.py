"""Signed addresses of buckets let their bearer read one file, for as long as they live, and do nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, ContainerClient
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from models.storage.errors import InvalidAddress, NoCredentials, StorageUnavailable
from models.storage.schemes import AnyStorage
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.models.storage.google_identity import GoogleIdentity, google_identity, impersonating
from tests.models.storage.other_buckets import AzureCredential, azure_container, s3_bucket
from tests.models.storage.service_accounts import SignedByAccount, service_account
from tests.own_process import run_module
from tests.waiting import eventually

DATA = b"0123456789" * 100
NAME = "shelf/animals/1.0.0/animals-1.0.0-linux-x86_64.zip"
HOUR = 3600


@pytest.fixture(scope="module", params=get_args(AzureCredential))
def azure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("azurite")
        with azure_container(patch, folder, request.param) as container:
            shelve(f"{container}/{NAME}", folder / "local")
            yield f"{container}/{NAME}"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_bucket(patch) as bucket:
        shelve(f"{bucket}/{NAME}", tmp_path_factory.mktemp("s3") / "local")
        yield f"{bucket}/{NAME}"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        server.put(NAME, DATA)
        yield server


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SignedByAccount:
    file, account = service_account(tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return account


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleIdentity]:
    _, account = service_account(tmp_path)
    with google_identity(account, tmp_path) as google:
        for name, value in google.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.delenv("NO_GCE_CHECK", raising=False)
        yield google


def forget(patch: pytest.MonkeyPatch, prefix: str) -> None:
    """Takes all variables of one service out of the environment."""
    for name in [name for name in os.environ if name.startswith(prefix)]:
        patch.delenv(name)


def printed_address() -> str:
    return run_module("tests.models.storage.print_address", f"gs://{BUCKET}/{NAME}").strip()


def shelve(uri: str, local: Path) -> None:
    local.write_bytes(DATA)
    AnyStorage().put(local, uri, lambda size: None)


def read(address: str, **headers: str) -> bytes:
    with urlopen(Request(address, headers=headers)) as answer:
        return bytes(answer.read())


def status(address: str, method: str = "GET") -> int:
    """What the service says."""
    try:
        with urlopen(Request(address, method=method, data=b"other" if method == "PUT" else None)) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


class TestAzure:
    def test_microsofts_own_client_reads_by_it(self, azure: str) -> None:
        with BlobClient.from_blob_url(AnyStorage().address(azure, HOUR)) as blob:
            assert blob.download_blob().readall() == DATA
            assert blob.download_blob(offset=500, length=10).readall() == DATA[500:510]

    def test_a_download_that_was_cut_goes_on(self, azure: str) -> None:
        assert read(AnyStorage().address(azure, HOUR), Range="bytes=990-") == DATA[990:]

    def test_it_neither_writes_nor_deletes_nor_lists(self, azure: str) -> None:
        address = urlsplit(AnyStorage().address(azure, HOUR))
        container = address._replace(path=address.path.removesuffix(f"/{NAME}")).geturl()
        with (
            BlobClient.from_blob_url(address.geturl()) as blob,
            ContainerClient.from_container_url(container) as all_of,
        ):
            for attempt in (
                lambda: blob.upload_blob(b"other", overwrite=True),
                lambda: blob.delete_blob(),
                lambda: blob.set_blob_metadata({"a": "b"}),
                lambda: list(all_of.list_blobs()),
            ):
                with pytest.raises(HttpResponseError) as refused:
                    attempt()
                assert refused.value.status_code == 403
            assert blob.download_blob().readall() == DATA

    def test_it_reads_no_other_file(self, azure: str, tmp_path: Path) -> None:
        shelve(f"{azure}.sig", tmp_path / "local")
        address = urlsplit(AnyStorage().address(azure, HOUR))

        assert status(address.geturl()) == 200
        assert status(address._replace(path=f"{address.path}.sig").geturl()) == 403

    def test_it_dies_when_it_was_to(self, azure: str) -> None:
        address = AnyStorage().address(azure, 1)

        eventually(lambda: status(address) == 403, "the end of the address")
        assert status(AnyStorage().address(azure, HOUR)) == 200

    def test_its_life_cannot_be_made_longer(self, azure: str) -> None:
        address = AnyStorage().address(azure, 60)
        (end,) = parse_qs(urlsplit(address).query)["se"]
        later = (datetime.fromisoformat(end) + timedelta(hours=1)).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")

        longer = address.replace(end.replace(":", "%3A"), later)
        assert longer != address
        assert status(longer) == 403

    def test_a_name_that_would_be_signed_wrongly_is_refused(self, azure: str) -> None:
        with pytest.raises(InvalidAddress, match="rename its folder"):
            AnyStorage().address(azure.replace("shelf", "my shelf"), HOUR)

    def test_an_account_without_a_key_is_told_what_to_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forget(monkeypatch, "AZURE_")

        with pytest.raises(StorageUnavailable, match="set AZURE_STORAGE_ACCOUNT_NAME"):
            AnyStorage().address("az://models/x.zip", HOUR)

    def test_a_token_for_the_container_is_told_that_it_signs_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forget(monkeypatch, "AZURE_")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2023-11-03&sig=abc")

        with pytest.raises(StorageUnavailable, match="AZURE_STORAGE_ACCOUNT_KEY"):
            AnyStorage().address("az://models/x.zip", HOUR)


class TestS3:
    def test_it_reads_all_and_a_part(self, s3: str) -> None:
        address = AnyStorage().address(s3, HOUR)

        assert read(address) == DATA
        assert read(address, Range="bytes=990-") == DATA[990:]

    @pytest.mark.parametrize("name", ["animals.zip", "my shelf/a+b.zip", "Regal/größe.zip"])
    def test_its_signature_is_the_one_that_amazons_own_client_makes(self, s3: str, name: str) -> None:
        """moto lets anybody read, so the signature is held against botocore's for the same key and second."""
        address = AnyStorage().address(f"{s3}/{name}", HOUR)
        url = urlsplit(address)
        told = {name: value for name, (value,) in parse_qs(url.query).items()}
        signed_query = "&".join(
            sorted(part for part in url.query.split("&") if not part.startswith("X-Amz-Signature="))
        )
        request = AWSRequest("GET", url._replace(query=signed_query).geturl())
        request.context["timestamp"] = told["X-Amz-Date"]
        amazons = S3SigV4QueryAuth(Credentials("key", "secret"), "s3", "us-east-1", expires=HOUR)
        request.headers["host"] = url.netloc

        text = amazons.string_to_sign(request, amazons.canonical_request(request))
        assert told["X-Amz-Signature"] == amazons.signature(text, request)

    def test_it_is_for_reading_and_dies_after_what_was_asked(self, s3: str) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        query = parse_qs(urlsplit(AnyStorage().address(s3, HOUR)).query)

        made = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
        assert before <= made <= datetime.now(UTC)
        assert query["X-Amz-Expires"] == [str(HOUR)]

    def test_whoever_has_no_key_is_told_what_to_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forget(monkeypatch, "AWS_")
        # Where the machine would be asked for its role: nobody is there.
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")

        with pytest.raises(StorageUnavailable, match="AWS_ACCESS_KEY_ID") as trouble:
            AnyStorage().address("s3://bucket/x.zip", HOUR)
        assert "\n" not in str(trouble.value)


class TestGoogle:
    def test_it_reads_all_and_a_part(self, google: StorageServer, account: SignedByAccount) -> None:
        address = AnyStorage().address(f"gs://{BUCKET}/{NAME}", HOUR)

        assert read(address) == DATA
        assert read(address, Range="bytes=990-") == DATA[990:]

    @pytest.mark.parametrize("name", [NAME, "my shelf/a+b.zip", "Regal/größe.zip"])
    def test_its_signature_is_the_accounts_for_reading_this_file(
        self, google: StorageServer, account: SignedByAccount, name: str
    ) -> None:
        """The emulator lets anybody read, so the signature is held against the account's public key."""
        address = AnyStorage().address(f"gs://{BUCKET}/{name}", HOUR)

        assert account.has_signed("GET", address)
        assert not account.has_signed("PUT", address)
        assert not account.has_signed("GET", address.replace(".zip", ".zi"))
        assert not account.has_signed("GET", address.replace(f"Expires={HOUR}", f"Expires={2 * HOUR}"))

    def test_it_dies_after_what_was_asked(self, google: StorageServer, account: SignedByAccount) -> None:
        query = parse_qs(urlsplit(AnyStorage().address(f"gs://{BUCKET}/{NAME}", HOUR)).query)

        assert query["X-Goog-Expires"] == [str(HOUR)]

    def test_credentials_that_cannot_sign_are_told_so(
        self, google: StorageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A person's own credentials, as `gcloud auth application-default login` leaves them."""
        file = tmp_path / "adc.json"
        file.write_text(
            json.dumps({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"})
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

        with pytest.raises(NoCredentials, match=r"cannot sign; .* set GOOGLE_APPLICATION_CREDENTIALS to its key file"):
            AnyStorage().address(f"gs://{BUCKET}/{NAME}", HOUR)

    def test_a_machine_of_googles_asks_its_account_to_sign(
        self, google: StorageServer, identity: GoogleIdentity
    ) -> None:
        address = printed_address()

        assert identity.account.has_signed("GET", address)
        assert (read(address), identity.signed) == (DATA, 1)

    def test_a_person_who_may_be_an_account_asks_it_to_sign(
        self, google: StorageServer, identity: GoogleIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(impersonating(tmp_path)))

        assert identity.account.has_signed("GET", printed_address())

    @pytest.mark.parametrize("of", ["machine", "person"])
    def test_an_account_that_may_not_sign_is_told_which_role_it_lacks(
        self, google: StorageServer, identity: GoogleIdentity, of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identity.may_sign = False
        if of == "person":
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(impersonating(tmp_path)))

        told = printed_address()
        assert "signBlob denied" in told
        assert "Service Account Token Creator" in told
        assert "\n" not in told

    def test_an_address_that_names_no_object_has_none(self, google: StorageServer) -> None:
        with pytest.raises(InvalidAddress, match="names no object"):
            AnyStorage().address(f"gs://{BUCKET}", HOUR)


@pytest.mark.parametrize("uri", ["/var/shelf/x.zip", "shelf/x.zip", "https://host/x.zip", "s3://", "az://c/*"])
def test_only_files_of_buckets_have_one(uri: str) -> None:
    with pytest.raises(InvalidAddress):
        AnyStorage().address(uri, HOUR)
