"""What tests of drawings need."""

from __future__ import annotations

from tests.small_disk import small_disk as small_disk
