"""What Google's machines and services say about who one is, at an address of this machine.

Google's client asks the metadata server in plain HTTP, and the others at names of their own, where this is a proxy.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from tests.models.storage.service_accounts import EMAIL, SignedByAccount
from tests.serving.certificates import Authority
from tests.serving_http import serving

_CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_HOSTS = ("iamcredentials.googleapis.com", "oauth2.googleapis.com")


class GoogleIdentity:
    """A machine whose service account has its key at Google.

    Attributes:
        environment: what a process needs to be on that machine.
        may_sign: whether the account has the role.
        signed: how often it did.
    """

    def __init__(self, account: SignedByAccount, folder: Path) -> None:
        authority = Authority(folder)
        self.account = account
        self.may_sign = True
        self.signed = 0
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(*authority.pair("google", *_HOSTS))
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        address = f"127.0.0.1:{self.http.server_port}"
        self.environment = {
            "GCE_METADATA_HOST": address,
            "GCE_METADATA_IP": address,
            "HTTPS_PROXY": f"http://{address}",
            "https_proxy": f"http://{address}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(authority.certificate),
            "CLOUDSDK_CONFIG": str(folder),
        }


@contextmanager
def google_identity(account: SignedByAccount, folder: Path) -> Iterator[GoogleIdentity]:
    """A running one."""
    google = GoogleIdentity(account, folder)
    with serving(google.http):
        yield google


def impersonating(folder: Path) -> Path:
    """What `gcloud auth application-default login --impersonate-service-account` leaves."""
    file = folder / "impersonating.json"
    person = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    url = f"https://{_HOSTS[0]}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    file.write_text(
        json.dumps(
            {
                "type": "impersonated_service_account",
                "service_account_impersonation_url": url,
                "delegates": [],
                "source_credentials": person,
            }
        )
    )
    return file


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, google: GoogleIdentity, *args: object) -> None:
        self._google = google
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The metadata server."""
        url = urlsplit(self.path)
        account = "/computeMetadata/v1/instance/service-accounts"
        if url.path == "/":
            self._answer(200, "")
        elif url.path in (f"{account}/default/", f"{account}/{EMAIL}/"):
            self._answer(200, {"email": EMAIL, "scopes": [_CLOUD_PLATFORM], "aliases": ["default"]})
        elif url.path in (f"{account}/default/token", f"{account}/{EMAIL}/token"):
            scopes = parse_qs(url.query).get("scopes", [""])[0]
            self._answer(200, {"access_token": f"token for {scopes}", "expires_in": 3600, "token_type": "Bearer"})
        elif url.path.endswith("universe-domain"):
            self._answer(200, "googleapis.com")
        else:
            self._answer(404, "")

    def do_CONNECT(self) -> None:
        """Others are spoken with through here, and are here themselves."""
        self.send_response(200)
        self.end_headers()
        with self._google.tls.wrap_socket(self.connection, server_side=True) as connection:
            _Handler(self._google, connection, self.client_address, self.server)
        self.close_connection = True

    def do_POST(self) -> None:
        """Tokens for people, and signatures for whoever has the right token."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            token = f"token for {_CLOUD_PLATFORM}"
            self._answer(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
            return
        assert urlsplit(self.path).path == f"/v1/projects/-/serviceAccounts/{EMAIL}:signBlob"
        if not self._google.may_sign or self.headers["Authorization"] != f"Bearer token for {_CLOUD_PLATFORM}":
            self._answer(403, {"error": {"code": 403, "message": "Permission iam.serviceAccounts.signBlob denied"}})
            return
        payload = base64.b64decode(json.loads(body)["payload"])
        signature = self._google.account.key.sign(payload, padding.PKCS1v15(), SHA256())
        self._google.signed += 1
        self._answer(200, {"keyId": "1", "signedBlob": base64.b64encode(signature).decode()})

    def _answer(self, status: int, content: object) -> None:
        text = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/text" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
