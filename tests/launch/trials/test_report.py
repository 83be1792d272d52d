"""What the report of a trial promises: the answer first, nothing from outside, and strangers' words kept as words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from launch.any_storage import any_storage
from launch.trial_report.page import page_of, render
from launch.trial_report.thumbnails import MOST, SIDE, thumbnail
from models.reference import ModelReference
from models.trials.evidence import Evidence
from models.trials.gist import Gist
from models.trials.judging import judge
from models.trials.terms import Limits
from models.trials.trial import EndedTrial, Outcome, Trial
from models.trials.view import TrialView
from tests.launch.trials import planted

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202egnp"
REGISTRY = "gs://bucket/hotswap/registry"


class Elements(HTMLParser):
    """Every element of a page, and all that is text in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.found if each == tag]


def view(evidence: Evidence, trial: Trial, outcome: Outcome | None = None, why: str | None = None) -> TrialView:
    judgement = judge(evidence, trial.policy.mode, Limits())
    ended = EndedTrial(trial, outcome, why or judgement.why, "ada on laptop", judgement.to_json()) if outcome else None
    return TrialView(trial, ended, 300.0, evidence, judgement)


def html_of(told: TrialView, *, images: bool = True, pattern: str = "models/*.onnx") -> str:
    storage = any_storage()
    return render(page_of(told, pattern, REGISTRY, (lambda image: thumbnail(storage, image)) if images else None))


def headline(html: str) -> str:
    match = re.search(r"<h1[^>]*>(.*?)</h1>", html)
    assert match
    return match[1]


@pytest.fixture
def hostile() -> str:
    """Whatever a stranger can name is called like an attack."""
    evidence = planted.shadow(300, right=0.5)
    answer = Gist(HOSTILE, 0.99)
    for place in range(40):
        evidence.answered("old", answer)
        evidence.answered("new", Gist(f"{place}{HOSTILE}", 0.98))
        evidence.compared(f"{HOSTILE}{place}", answer, Gist(f"{place}{HOSTILE}", 0.98))
    evidence.not_loaded(HOSTILE)
    trial = planted.trial("shadow:10%/30", new=ModelReference(f"models/{HOSTILE}.onnx", "c" * 64))
    return html_of(view(evidence, trial, "rolled_back", HOSTILE), pattern=f"models/{HOSTILE}*")


def test_what_strangers_name_is_text_and_nothing_else(hostile: str) -> None:
    page = Elements(hostile)
    assert not page.all("script")
    assert {name for _, attributes in page.found for name in attributes if name.startswith("on")} == set()
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in hostile


def test_the_page_has_no_outside_address_and_may_do_nothing(hostile: str) -> None:
    page = Elements(hostile)
    assert not [
        tag for tag, _ in page.found if tag in ("script", "link", "iframe", "object", "embed", "form", "a", "base")
    ]
    assert not [name for _, attributes in page.found for name in attributes if name in ("href", "style", "srcset")]
    assert "url(" not in hostile and "@import" not in hostile
    [policy] = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_a_model_that_is_worse_is_told_so_first_with_what_to_do() -> None:
    html = html_of(view(planted.shadow(3000, right=0.6, labels=True), planted.trial("shadow:10%/30"), "rolled_back"))
    assert headline(html).startswith("digits_v2 was rolled back, digits_v1 stays: its accuracy is 3")
    assert headline(html).endswith("points lower, where 2 are allowed")
    assert "hotswap trial retry &#39;models/*.onnx&#39; --registry gs://bucket/hotswap/registry" in html


def test_a_model_that_replaced_the_other_is_told_with_the_way_back() -> None:
    html = html_of(view(planted.canary(30_000, right=0.96), planted.trial("canary:5%/10,50%/10", 1), "promoted"))
    assert headline(html) == "digits_v2 replaced digits_v1: it keeps to every limit"
    assert "hotswap rollback" in html


def test_who_ended_it_by_hand_and_why_comes_first_too() -> None:
    told = view(
        planted.shadow(300, right=0.9), planted.trial("shadow:10%/30"), "rolled_back", "aborted by ada on laptop"
    )
    assert headline(html_of(told)).endswith("digits_v1 stays: aborted by ada on laptop")


def test_a_trial_that_is_undecided_says_what_it_waits_for() -> None:
    html = html_of(view(planted.canary(600, right=0.95), planted.trial("canary:5%/10,25%/10", 1)))
    assert headline(html).startswith("Too early to say whether digits_v2 may replace digits_v1")
    assert re.search(r"About [\d,]+ images more would decide", html)
    assert "5 minutes of step 2 of 2 are left" in html
    assert "True labels: nobody has told which answers were right" in html


@pytest.mark.parametrize("policy", ["shadow:100%/1", "canary:1%/0.5,2%/1000"])
def test_a_trial_of_which_nothing_was_seen_has_a_page(policy: str) -> None:
    html = html_of(view(Evidence(), planted.trial(policy)))
    assert "Too early to say" in headline(html)


def test_a_shadow_shows_images_with_both_answers_and_a_canary_says_why_not(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{place}.png") for place in range(30)]
    for path in paths:
        Image.new("L", (400, 200), 90).save(path)
    shadow = Elements(html_of(view(planted.shadow(600, right=0.5, paths=paths), planted.trial("shadow:10%/30"))))
    assert len(shadow.all("img")) == MOST
    assert {(each["width"], each["height"]) for each in shadow.all("img")} == {(str(SIDE), str(SIDE // 2))}
    canary = Elements(html_of(view(planted.canary(600, right=0.5, paths=paths), planted.trial("canary:10%/30"))))
    assert "there are no pairs to compare" in canary.text
    assert canary.all("img")


def test_without_images_none_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (40, 20), 90).save(path)
    told = view(planted.shadow(300, right=0.5, paths=[str(path)]), planted.trial("shadow:10%/30"))
    page = Elements(html_of(told, images=False))
    assert not page.all("img")
    assert str(path) in page.text


def test_the_agreement_of_labels_adds_up() -> None:
    evidence = planted.shadow(1000, right=0.7)
    html = html_of(view(evidence, planted.trial("shadow:10%/30")))
    [matrix] = re.findall(r'<table class="matrix">(.*?)</table>', html, re.DOTALL)
    cells = [int(each) for each in re.findall(r'<td class="[hm]\d">(\d+)</td>', matrix)]
    assert sum(cells) == 1000
    assert sum(int(each) for each in re.findall(r'<td class="h\d">(\d+)</td>', matrix)) == evidence.paired.alike


def test_many_labels_are_few_and_the_others() -> None:
    evidence = Evidence()
    for place in range(4000):
        gist = Gist(f"label {place % 700}", 0.9)
        evidence.answered("old", gist)
        evidence.answered("new", gist)
        evidence.compared(f"{place}.png", gist, gist)
    html = html_of(view(evidence, planted.trial("shadow:10%/30")))
    assert html.count("all others") >= 2
    assert len(html) < 200_000


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"GIF89a" + b"\xff" * 50],
    ids=["empty", "text", "png", "gif"],
)
def test_an_image_that_is_none_is_told_and_not_shown(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    assert thumbnail(any_storage(), str(path)).source == ""
    assert thumbnail(any_storage(), str(path)).trouble


def test_images_elsewhere_than_below_the_prefixes_are_not_read(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
        Image.new("L", (4, 4), 90).save(tmp_path / folder / "a.png")
    prefixes = (f"{tmp_path}/ours/",)
    assert thumbnail(any_storage(), str(tmp_path / "ours/a.png"), prefixes).source
    refused = thumbnail(any_storage(), str(tmp_path / "theirs/a.png"), prefixes)
    assert (refused.source, refused.trouble) == ("", "forbidden path")
    assert thumbnail(any_storage(), "https://example.com/a.png").trouble == "unsupported scheme"


def test_what_a_client_called_its_image_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("request a.png", "a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert thumbnail(any_storage(), "a.png").source
    asked = thumbnail(any_storage(), "request a.png")
    assert (asked.source, asked.trouble) == ("", "came in a request")


@pytest.mark.parametrize(("processes", "words"), [(1, "Once a process"), (3, "3 times a process")])
def test_how_often_the_new_model_could_not_be_loaded_is_told_in_words(processes: int, words: str) -> None:
    evidence = planted.canary(400, right=0.95)
    for _ in range(processes):
        evidence.not_loaded("memory")
    html = html_of(view(evidence, planted.trial("canary:50%/10")))
    assert f"{words} could not load the new model, and answered by the old one: memory" in html


def test_a_trial_during_which_no_image_came_by_says_so_and_nothing_of_models() -> None:
    html = html_of(view(Evidence(), planted.trial("shadow:50%/10"), "rolled_back"))
    assert "no image came by" in html
    assert "Both answered the same images" not in html and "no number of images decides" not in html
