"""Asks the server on this machine how it is: `health [live|ready] [PORT]`, for containers, which have no curl.

Ends with 0 where it is live, or ready to answer, and with 1 where it is not. Speaks HTTP, or else TLS, and trusts
whatever certificate it is shown: that bears the name by which others know the server, and nothing is told to it.
"""

from __future__ import annotations

import http.client
import ssl
import sys

PORT = 8501
_SECONDS = 2.0


def is_well(what: str, port: int) -> bool:
    """Whether the server at a port of this machine is live or ready.

    One that asks for a certificate, which nobody here has, is live, and ready as far as can be told.

    Args:
        what: `live` or `ready`.
        port: of HTTP.
    """
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        return _says_well(plain, what)
    except (ConnectionRefusedError, TimeoutError):
        return False
    except (OSError, http.client.HTTPException):  # it speaks TLS, or nothing that is understood here
        return _is_well_behind_tls(what, port)


def _is_well_behind_tls(what: str, port: int) -> bool:
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    encrypted = http.client.HTTPSConnection("127.0.0.1", port, timeout=_SECONDS, context=unverified)
    try:
        encrypted.connect()
    except OSError:
        return False
    try:
        return _says_well(encrypted, what)
    except TimeoutError:
        return False
    except (OSError, http.client.HTTPException):  # its side of TLS is done; then it hangs up on who has no certificate
        return True


def _says_well(connection: http.client.HTTPConnection, what: str) -> bool:
    try:
        connection.request("GET", f"/v2/health/{what}")
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "live"
    sys.exit(0 if is_well(asked, int(sys.argv[2]) if len(sys.argv) > 2 else PORT) else 1)
