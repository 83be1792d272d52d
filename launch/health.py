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
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        return _says_well(plain, what)
    except OSError as error:
        if isinstance(error, ConnectionRefusedError | TimeoutError):
            return False
    except http.client.HTTPException:
        pass
    try:
        return _says_well(http.client.HTTPSConnection("127.0.0.1", port, timeout=_SECONDS, context=unverified), what)
    except ssl.SSLError as error:
        return "certificate required" in str(error).lower().replace("_", " ")
    except (OSError, http.client.HTTPException):
        return False


def _says_well(connection: http.client.HTTPConnection, what: str) -> bool:
    try:
        connection.request("GET", f"/v2/health/{what}")
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "live"
    sys.exit(0 if is_well(asked, int(sys.argv[2]) if len(sys.argv) > 2 else PORT) else 1)
