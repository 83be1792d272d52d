"""S3 and Azure Blob Storage on this machine: moto's server, and Azurite where it is installed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.serving.certificates import Authority

AzureCredential = Literal["key", "identity"]
"""What Azure Storage knows one by: the account's key, or a token of an identity of Entra."""

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, which its manual tells everybody."""
BUCKET = "models"
_AZURITE = Path(__file__).parents[3] / ".venv.azurite/node_modules/.bin/azurite-blob"
"""Where `make setup` puts it."""


@contextmanager
def s3_bucket(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket, which the environment says how to reach."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        server.stop()


@contextmanager
def azure_container(patch: pytest.MonkeyPatch, folder: Path, by: AzureCredential = "key") -> Iterator[str]:
    """The address of an empty container, which the environment says how to reach; skips where there is no Azurite.

    Args:
        patch: of the environment.
        folder: for what it keeps, and over TLS, which identities need, for certificates.
        by: what one is known by.
    """
    from azure.storage.blob import BlobServiceClient

    azurite = _AZURITE if _AZURITE.exists() else shutil.which("azurite-blob")
    if azurite is None or shutil.which("node") is None:
        pytest.skip("needs Azurite: `make setup` installs it where there is npm")
    command = [
        str(azurite),
        "--blobPort",
        "0",
        "--location",
        str(folder),
        "--skipApiVersionCheck",
        "--disableTelemetry",
    ]
    if by == "identity":
        authority = Authority(folder)
        pair = authority.pair("azurite", "127.0.0.1")
        command += ["--oauth", "basic", "--cert", str(pair.certificate), "--key", str(pair.key)]
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            patch.setenv(name, str(authority.certificate))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            told = (re.search(r"listens on (https?://\S+)", line) for line in process.stdout)
            endpoint = f"{next(match[1] for match in told if match)}/{ACCOUNT}"
            patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            patch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
            if by == "key":
                patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
            else:
                patch.delenv("AZURE_STORAGE_ACCOUNT_KEY", raising=False)
                patch.setenv("AZURE_STORAGE_TOKEN", _token())
            with BlobServiceClient(endpoint, credential={"account_name": ACCOUNT, "account_key": KEY}) as client:
                client.create_container(BUCKET)
            yield f"az://{BUCKET}"
        finally:
            process.terminate()


def _token() -> str:
    """What Entra gives an identity; Azurite reads all of it but the signature."""
    now = int(time.time())
    tenant = "00000000-0000-0000-0000-000000000001"
    claims = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{tenant}/",
        "tid": tenant,
        "oid": "00000000-0000-0000-0000-000000000002",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "signature"])
