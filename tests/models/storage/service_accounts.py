"""A service account of Google Cloud that is made here, and whether it has signed an address."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

EMAIL = "fleet@project.iam.gserviceaccount.com"


class SignedByAccount:
    """The public half of an account."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.key = key

    def has_signed(self, method: str, address: str) -> bool:
        """Whether an address has a V4 signature of the account, for this method, as Google describes it:
        https://cloud.google.com/storage/docs/authentication/canonical-requests."""
        url = urlsplit(address)
        query = dict(parse_qsl(url.query))
        signature = bytes.fromhex(query.pop("X-Goog-Signature"))
        if not query["X-Goog-Credential"].startswith(f"{EMAIL}/"):
            return False
        pairs = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
        canonical = "\n".join([method, url.path, pairs, f"host:{url.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
        scope = query["X-Goog-Credential"].removeprefix(f"{EMAIL}/")
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
        try:
            self.key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def service_account(folder: Path) -> tuple[Path, SignedByAccount]:
    """The key file of a new account, as Google's console gives it, and the account."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    file = folder / "account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": EMAIL,
                "client_id": "1",
                "token_uri": "http://127.0.0.1:1/token",
            }
        )
    )
    return file, SignedByAccount(key)
