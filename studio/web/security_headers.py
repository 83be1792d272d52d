"""What browsers are told with every answer, so that a page can do no more than it is meant to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_ALWAYS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"cache-control": b"no-store",
}

Headers = Iterable[tuple[bytes, bytes]]


def with_security(headers: Headers) -> Sequence[tuple[bytes, bytes]]:
    """Headers of an answer, with all that they do not say themselves.

    Args:
        headers: names in lower case.
    """
    said = list(headers)
    names = {name for name, _ in said}
    return said + [(name, value) for name, value in _ALWAYS.items() if name not in names]
