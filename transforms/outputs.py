"""The outputs that steps have beside their main one."""

from __future__ import annotations

DEAD_LETTERS = "dead_letters"
MODEL_EVENTS = "model_events"
