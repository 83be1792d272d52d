"""The first signal asks a run to end; the second does not wait."""

from __future__ import annotations

import os
import signal

import pytest

from beam_pipeline.stopping import stop_requests


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stop_requests() as stop_requested:
        assert not stop_requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop_requested()
        os.kill(os.getpid(), signal.SIGINT)

    assert signal.getsignal(signal.SIGTERM) is before
