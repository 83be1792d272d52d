"""How long a page takes from the end of a stroke until the answer stands on it, measured in the page itself."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

_LISTEN = """
(() => {
  const taken = [];
  let ended = null;
  window.strokeTimes = taken;
  addEventListener('pointerup', () => { ended = performance.now(); }, true);
  addEventListener('DOMContentLoaded', () => {
    const answer = document.querySelector('[data-testid=answer]');
    if (!answer) return;
    new MutationObserver(() => {
      if (ended === null || !answer.textContent.trim()) return;
      const began = ended;
      ended = null;
      requestAnimationFrame(() => taken.push(performance.now() - began));
    }).observe(answer, {childList: true, characterData: true, subtree: true});
  });
})()
"""
"""By the clock of the frame that shows the answer; a drawing must be one stroke, on a canvas that was cleared."""


def listen(context: BrowserContext) -> None:
    """Has every page that opens in this context from now on keep its times."""
    context.add_init_script(_LISTEN)


def stroke_milliseconds(page: Page, count: int) -> list[float]:
    """Those of so many drawings, in order.

    Raises:
        playwright.sync_api.TimeoutError: a page that was drawn on so often did not show as many answers.
    """
    page.wait_for_function("count => window.strokeTimes.length >= count", arg=count)
    return [float(each) for each in page.evaluate("window.strokeTimes")]
