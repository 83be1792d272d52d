"""Proof that a model file may be served, found out in a child process that nothing else depends on."""

from models.vetting.vetter import Vetted, Vetter, VettingLimits

__all__ = ["Vetted", "Vetter", "VettingLimits"]
