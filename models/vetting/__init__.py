"""Proof that a model file may be served, found out in a child process that nothing else depends on."""

from models.vetting.vetter import Vetter, VettingLimits

__all__ = ["Vetter", "VettingLimits"]
