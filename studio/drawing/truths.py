"""True labels for the trial under way: what people say of answers, whether those were right or not."""

from __future__ import annotations

from collections.abc import Callable

from studio.drawing.drawings import Drawings


class Truths:
    """Tells the stream what drawings show in truth, each drawing once, and only while a model is tried.

    Corrections alone would come of wrong answers mostly, and show the model that gives the answers as worse than it is.
    So a drawing that its author leaves uncorrected counts too, as what it was answered. Both kinds begin and end
    together. The first word counts: what was told may be part of a verdict already.

    Any thread may use it.

    Args:
        drawings: that were answered.
        tell: tells the stream, by the `message_id` of a question, its label; quick.
        trial: the number of the trial under way; 0 where none is.
    """

    def __init__(self, drawings: Drawings, tell: Callable[[str, str], None], trial: Callable[[], int]) -> None:
        self._drawings = drawings
        self._tell = tell
        self._trial = trial

    def corrected(self, browser: str, drawing: str, label: int) -> bool:
        """Its author says what it shows, which may be what was answered; whether that is told.

        Args:
            browser: whose drawing it is.
            drawing: its id.
            label: 0 to 9.

        Raises:
            StudioRefused: `NOT_FOUND`.
        """
        return self._told(browser, drawing, str(label))

    def left(self, browser: str, drawing: str) -> bool:
        """Its author is done with it, and leaves its answer as it is; whether that is told.

        Args:
            browser: whose drawing it is.
            drawing: its id.

        Raises:
            StudioRefused: `NOT_FOUND`.
        """
        return self._told(browser, drawing, None)

    def _told(self, browser: str, drawing: str, label: str | None) -> bool:
        if not self._trial():
            return False
        answered = self._drawings.take_unlabelled(browser, drawing)
        if answered is None:
            return False
        self._tell(answered.message_id, answered.label if label is None else label)
        return True
