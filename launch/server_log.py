"""What a server says on standard error, while it runs."""

from __future__ import annotations

import logging


def log_to_standard_error() -> None:
    """Has what happens be told in a line each; of libraries warnings alone."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("google", "absl", "uvicorn", "apache_beam", "alembic", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
