"""Tries to break out of what confines a model: `python -m tests.edge.break_out` fails where it reaches anything."""

from models.confinement.proving import require_confinement

if __name__ == "__main__":
    require_confinement()
