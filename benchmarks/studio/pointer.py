"""What is drawn by hand, drawn on a page of a real browser: by mouse, finger or pen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playwright.sync_api import CDPSession, Locator

from benchmarks.studio.hand import Stroke


def by_mouse(canvas: Locator, strokes: Sequence[Stroke]) -> None:
    """Draws on a canvas by moves of the mouse."""
    mouse = canvas.page.mouse
    for (first_x, first_y), *others in _on_page(canvas, strokes):
        mouse.move(first_x, first_y)
        mouse.down()
        for x, y in others:
            mouse.move(x, y)
        mouse.up()


def by_finger(canvas: Locator, strokes: Sequence[Stroke]) -> None:
    """The same by a finger; its browser's context must have `has_touch`."""
    session = canvas.page.context.new_cdp_session(canvas.page)
    for points in _on_page(canvas, strokes):
        for kind, (x, y) in zip(["touchStart", *["touchMove"] * (len(points) - 1)], points, strict=True):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": 1}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def by_pen(canvas: Locator, strokes: Sequence[Stroke]) -> None:
    """The same by a pen that is pressed as usual."""
    session = canvas.page.context.new_cdp_session(canvas.page)
    for points in _on_page(canvas, strokes):
        _pen(session, "mouseMoved", points[0], pressed=False)
        _pen(session, "mousePressed", points[0], pressed=True)
        for point in points[1:]:
            _pen(session, "mouseMoved", point, pressed=True)
        _pen(session, "mouseReleased", points[-1], pressed=False)
    session.detach()


def _pen(session: CDPSession, kind: str, point: tuple[float, float], pressed: bool) -> None:
    session.send(
        "Input.dispatchMouseEvent",
        {
            "type": kind,
            "x": point[0],
            "y": point[1],
            "pointerType": "pen",
            "button": "none" if kind == "mouseMoved" and not pressed else "left",
            "buttons": int(pressed),
            "clickCount": int(kind != "mouseMoved"),
            "force": 0.5 * pressed,
        },
    )


def _on_page(canvas: Locator, strokes: Sequence[Stroke]) -> Iterator[list[tuple[float, float]]]:
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    if box is None:
        raise RuntimeError("the canvas is not shown")
    for stroke in strokes:
        yield [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
