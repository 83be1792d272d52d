"""What tests of several rooms of the studio need."""

from __future__ import annotations

from tests.small_disk import small_disk as small_disk
