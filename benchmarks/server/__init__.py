"""Measured comparisons of `hotswap serve` with other servers of the same model, and with the bare machine."""
