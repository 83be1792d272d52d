"""The files of the page: light, from this package alone, and nothing in them makes markup or code out of a text."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import studio

PAGE = Path(studio.__file__).parent / "page"
FILES = sorted(each for each in PAGE.iterdir() if each.is_file())
OWN = [each for each in FILES if not each.name.startswith("uplot.")]
SCRIPTS = [each for each in OWN if each.suffix == ".js"]
DOCUMENTS = [each for each in OWN if each.suffix == ".html"]
MOST_BYTES = 300_000
NAMESPACE = "http://www.w3.org/2000/svg"  # the name of a language, from which nothing is fetched
FIXED = ("canvas", "clear", "answer", "model-id", "retrain", "retraining", "live-model", "swaps", "results")
VENDORED = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.MULTILINE)
MAKES_MARKUP_OR_CODE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc"
    r"|\beval\b|new Function|setAttribute\(\s*[\"'`](?:style|on)|\bset(?:Timeout|Interval)\(\s*[\"'`]"
)


class Tags(HTMLParser):
    """What a document consists of.

    Attributes:
        tags: each with its attributes.
        texts: what lies in `script` and `style`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.texts += data.strip()

    def values(self, name: str) -> list[str]:
        """Those of one attribute, in order."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def addressed(document: Path) -> Iterator[str]:
    tags = Tags(document)
    yield from (each for name in ("src", "href", "action") for each in tags.values(name))


def test_the_page_is_light() -> None:
    served = [each for each in FILES if each.suffix in (".html", ".css", ".js", ".svg")]
    assert sum(each.stat().st_size for each in served) <= MOST_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    text = path.read_text().replace(NAMESPACE, "")
    if path.name.startswith("uplot."):
        text = re.sub(r"https://github\.com/leeoniya/uPlot[^\s]*", "", text)  # where it is from, in a comment
    assert re.findall(r"(?:https?:|wss?:)?//[\w-]+\.[\w.-]+", text) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_a_text(path: Path) -> None:
    assert MAKES_MARKUP_OR_CODE.findall(path.read_text()) == []


def test_the_library_makes_none_either() -> None:
    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function", (PAGE / "uplot.iife.min.js").read_text()
        )
        == []
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_has_neither_styles_nor_scripts_within(path: Path) -> None:
    tags = Tags(path)
    assert tags.texts == ""
    assert [
        name for _, attributes in tags.tags for name in attributes if name == "style" or name.startswith("on")
    ] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_asks_for_is_there(path: Path) -> None:
    names = [each.removeprefix("/page/") for each in addressed(path) if each.startswith("/page/")]
    assert names
    assert [each for each in names if not (PAGE / each).is_file()] == []
    assert [each for each in addressed(path) if not each.startswith(("/", "#"))] == []


def test_what_a_script_imports_is_there() -> None:
    for script in SCRIPTS:
        for what, module in re.findall(r"import\s+(\{[^;]+?\})\s+from\s+\"\./([\w.]+)\";", script.read_text()):
            exported = (PAGE / module).read_text()
            names = re.findall(r"\w+", what)
            assert [
                each
                for each in names
                if not re.search(rf"export (?:async )?(?:function|class|const|let) {each}\b", exported)
            ] == [], f"{script.name} of {module}"


def test_every_script_and_style_is_asked_for() -> None:
    texts = "".join(each.read_text() for each in DOCUMENTS + SCRIPTS)
    parts = [each.name for each in FILES if each.suffix in (".js", ".css")]
    assert [each for each in parts if f'/page/{each}"' not in texts and f'"./{each}"' not in texts] == []


def test_what_scripts_look_for_by_id_is_in_the_page() -> None:
    ids = Tags(PAGE / "index.html").values("id")
    assert len(ids) == len(set(ids))
    wanted = {each for script in SCRIPTS for each in re.findall(r"byId\(\"([\w-]+)\"\)", script.read_text())}
    assert wanted - set(ids) == set()


def test_what_others_find_by_its_name_is_in_the_page() -> None:
    named = Tags(PAGE / "index.html").values("data-testid")
    assert len(named) == len(set(named))
    assert [each for each in FIXED if each not in named] == []
    assert '"data-testid": `correct-${digit}`' in (PAGE / "correcting.js").read_text()


def test_the_library_is_what_its_note_says() -> None:
    said = {name: digest for digest, name in VENDORED.findall((PAGE / "uplot.VERSION.txt").read_text())}
    there = {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in FILES if each.name.startswith("uplot.")
    }
    del there["uplot.VERSION.txt"]
    assert said == there


def test_no_file_is_long() -> None:
    assert [each.name for each in OWN if len(each.read_text().splitlines()) > 400] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read(path: Path, tmp_path: Path) -> None:
    module = shutil.copy(path, tmp_path / f"{path.stem}.mjs")
    checked = subprocess.run(["node", "--check", module], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
