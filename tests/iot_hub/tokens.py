"""Tokens of shared access: by whom each was signed, for what, and until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import unquote


class TokenRefused(Exception):  # noqa: N818 - named for the state it reports
    """A token that lets nobody in."""


def check_token(token: str, resource: str, key: str, policy: str | None = None) -> None:
    """Lets whoever has a token in: `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`.

    Args:
        token: as it was sent.
        resource: that is asked for, `HOST` or `HOST/devices/DEVICE`.
        key: base64, that it has to be signed with.
        policy: of a service; None for a device's own key.

    Raises:
        TokenRefused: it is not of this resource, policy or key, or is over.
    """
    kind, _, fields = token.partition(" ")
    told = dict(field.partition("=")[::2] for field in fields.split("&"))
    if kind != "SharedAccessSignature" or not {"sr", "sig", "se"} <= set(told):
        raise TokenRefused("it is no token")
    if unquote(told["sr"]) != resource or told.get("skn") != policy:
        raise TokenRefused(f"it is of {unquote(told['sr'])} and {told.get('skn')}")
    signed = hmac.new(base64.b64decode(key), f"{told['sr']}\n{told['se']}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(unquote(told["sig"]), base64.b64encode(signed).decode()):
        raise TokenRefused("it is of another key")
    if int(told["se"]) <= time.time():
        raise TokenRefused("it is over")
