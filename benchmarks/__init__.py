"""Measured comparisons of this job with Beam's documented way and with the bare machine."""
