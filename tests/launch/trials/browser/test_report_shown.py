"""The report in a browser: for everybody to read, light and dark, narrow and printed; nothing is loaded or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser

from launch.any_storage import any_storage
from launch.trial_report.page import page_of, render
from launch.trial_report.thumbnails import thumbnail
from models.trials.judging import judge
from models.trials.terms import Limits
from models.trials.view import TrialView
from tests.launch.trials import planted
from tests.studio.browser import accessibility


@pytest.fixture(scope="module", params=["shadow", "canary"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all that there can be on one."""
    folder = tmp_path_factory.mktemp("report")
    paths = [str(folder / f"{place}.png") for place in range(6)]
    for path in paths[1:]:
        Image.new("RGB", (300, 200), (90, 140, 40)).save(path)
    if request.param == "shadow":
        evidence, trial = planted.shadow(1200, right=0.7, paths=paths, labels=True), planted.trial("shadow:10%/30")
    else:
        evidence, trial = planted.canary(1200, right=0.9, paths=paths), planted.trial("canary:5%/10,25%/10,50%/60", 1)
    view = TrialView(trial, None, 200.0, evidence, judge(evidence, trial.policy.mode, Limits()))
    storage = any_storage()
    page = page_of(view, "models/*.onnx", "registry", lambda image: thumbnail(storage, image))
    written = folder / "trial.html"
    written.write_text(render(page), encoding="utf-8")
    return written


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_everybody_can_read_it(browser: Browser, report: Path, scheme: Literal["light", "dark"], width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    try:
        page.goto(report.as_uri())
        # Axe runs a script of its own, which the page's policy lets no page do: it looks at the same page without one.
        assert said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_content(_without_policy(report.read_text(encoding="utf-8")))
        accessibility.look(page)
    finally:
        page.close()


def test_it_can_be_printed(browser: Browser, report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    try:
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.pdf(format="A4").startswith(b"%PDF")
    finally:
        page.close()


def _without_policy(html: str) -> str:
    before, _, rest = html.partition('<meta http-equiv="Content-Security-Policy"')
    return before + rest.partition(">\n")[2]
