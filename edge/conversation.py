"""What an agent and whoever desires things of its device say to each other: what is desired, and what became of it."""

from __future__ import annotations

from dataclasses import replace

from edge.device_record import DeviceRecord
from edge.listening import Listener, heard
from edge.reporting import report_of
from edge.retries import Retries
from edge.steps import At, Step
from models.components.twin import DesiredModel, Twin


class Conversation:
    """Hears what is desired into a device's record, and tells what that says. One thread has it.

    Args:
        listener: says what is desired.
        record: of the device.
        retries: what does not come in; forgotten once something else is desired.
        at: is told of steps.
    """

    def __init__(self, listener: Listener, record: DeviceRecord, retries: Retries, at: At) -> None:
        self._listener = listener
        self._record = record
        self._retries = retries
        self._at = at
        self._may_report = True

    @property
    def trouble(self) -> str:
        """Why nothing was heard the last time; "" where something was."""
        return self._listener.trouble

    @property
    def seconds_left(self) -> float:
        """Until the next question is due; not above 0 where it is."""
        return self._listener.seconds_left

    def address(self, model: DesiredModel) -> DesiredModel | None:
        """A model with the address that was heard last; None where none was."""
        return self._listener.address(model)

    def poll_if_due(self) -> None:
        """Hears what is desired, now and then.

        Raises:
            OSError: of the disk.
        """
        if self.seconds_left <= 0:
            self.poll()

    def poll(self, anew: bool = False) -> None:
        """Hears what is desired.

        Args:
            anew: read it with new addresses, whether it changed or not.

        Raises:
            OSError: of the disk.
        """
        twin = self._listener.ask(None if anew else self._record.state.etag or None)
        self._at(Step.POLLED)
        if twin is not None:
            self._hear(twin)
        if not self._listener.trouble:
            self._may_report = True

    def report(self) -> None:
        """Tells what became of what was desired, where that changed."""
        if self._listener.trouble or not self._may_report:
            return
        record = self._record
        reported = report_of(record.state, self._retries, record.folder.free_bytes())
        if reported == record.state.told:
            return
        if not self._listener.report(reported):
            self._may_report = False  # before the next poll
            return
        self._at(Step.REPORTED)
        try:
            record.write(replace(record.state, told=reported))
        except OSError:  # then the next agent tells it once more
            record.state = replace(record.state, told=reported)

    def _hear(self, twin: Twin) -> None:
        before, after = self._record.state, heard(self._record.state, twin)
        if after == before:
            return
        if after.desired != before.desired:
            self._retries.forget_archives()
        self._record.hear(after)
        for name in before.places.keys() - after.places.keys():
            self._record.folder.drop(name)
