"""Addresses in Cloud Storage that a service account signs: by its key, or where it has none here, by asking Google."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.errors import one_line
from models.storage.errors import NoCredentials, StorageUnavailable

HOW_TO_SIGN = (
    "addresses of gs:// are signed by a service account: set GOOGLE_APPLICATION_CREDENTIALS to its key file, run on a "
    "machine of Google's with one, or `gcloud auth application-default login --impersonate-service-account=EMAIL`"
)

_WHO_MAY_SIGN = "without a key file, who signs needs the role Service Account Token Creator on it"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""Without a key, what is to be signed goes to `signBlob`, which asks for this one."""


def signed_address(blob: Any, credentials: Any, seconds: int) -> str:
    """Where whoever has it may read an object, by a V4 signature.

    Args:
        blob: the object, of Google's client, which need not be there yet.
        credentials: to sign with; None where there are none.
        seconds: how long the address lives; a week at most.

    Raises:
        NoCredentials: these are of no service account.
        StorageUnavailable: Google was asked to sign, and did not.
    """
    from google.auth import compute_engine
    from google.auth.credentials import Signing
    from google.auth.exceptions import GoogleAuthError

    if not isinstance(credentials, compute_engine.Credentials | Signing):
        raise NoCredentials(f"these Google credentials cannot sign; {HOW_TO_SIGN}")
    try:
        address: str = blob.generate_signed_url(
            version="v4", method="GET", expiration=timedelta(seconds=seconds), **_signer(credentials)
        )
    except GoogleAuthError as error:
        raise StorageUnavailable(f"the service account did not sign: {one_line(error)}; {_WHO_MAY_SIGN}") from error
    return address


def _signer(credentials: Any) -> dict[str, Any]:
    """What Google's client is to sign with."""
    from google.auth import compute_engine
    from google.auth.transport.requests import Request

    if not isinstance(credentials, compute_engine.Credentials):
        return {"credentials": credentials}
    machine = credentials.with_scopes([_SCOPE])
    machine.refresh(Request())
    return {"service_account_email": machine.service_account_email, "access_token": machine.token}
