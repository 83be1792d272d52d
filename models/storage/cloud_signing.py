"""Addresses in Cloud Storage that a service account signs: by its key, or where it has none here, by asking Google."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.storage.errors import NoCredentials

HOW_TO_SIGN = (
    "addresses of gs:// are signed by a service account: set GOOGLE_APPLICATION_CREDENTIALS to its key file, run on a "
    "machine of Google's with one, or `gcloud auth application-default login --impersonate-service-account=EMAIL`"
)

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
        Exception: what Google's client raises where it is asked to sign, and does not answer.
    """
    from google.auth import compute_engine
    from google.auth.credentials import Signing
    from google.auth.transport.requests import Request

    asking: dict[str, Any] = {"credentials": credentials}
    if isinstance(credentials, compute_engine.Credentials):
        # It has a token and no key; the token lets it ask, where it has the role Service Account Token Creator.
        machine = credentials.with_scopes([_SCOPE])
        machine.refresh(Request())
        asking = {"service_account_email": machine.service_account_email, "access_token": machine.token}
    elif not isinstance(credentials, Signing):
        raise NoCredentials(f"these Google credentials cannot sign; {HOW_TO_SIGN}")
    address: str = blob.generate_signed_url(version="v4", method="GET", expiration=timedelta(seconds=seconds), **asking)
    return address
