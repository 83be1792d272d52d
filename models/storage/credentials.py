"""Google credentials, found without the wait that their absence costs."""

from __future__ import annotations

import os
import threading
from typing import Any

CREDENTIALS_SECONDS = 5.0
HOW_TO_GET_CREDENTIALS = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
)

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def find_credentials(seconds: float = CREDENTIALS_SECONDS) -> Any:
    """The user's Google credentials; None where there are none, or none are found in time.

    Off Google's machines the search ends by asking a metadata server that is not there, for up to 20 s: hence a
    thread, and a limit.

    Raises:
        Exception: whatever google-auth raises for credentials that are there and cannot be used.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    found: list[Any] = []
    failed: list[Exception] = []

    def look() -> None:
        try:
            found.append(google.auth.default(scopes=[_SCOPE])[0])
        except Exception as error:  # raised again in the thread that asks
            if not isinstance(error, DefaultCredentialsError) or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
                failed.append(error)

    thread = threading.Thread(target=look, name="find credentials", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    return found[0] if found else None
