"""The interpreter, the installed packages, and what hides them."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from launch.code_version import DISTRIBUTION, ROOT, setup_file
from launch.doctor.findings import Finding
from models.vetting.frameworks import KERAS

OURS = ("models", "transforms", "serving", "databases", "fleet", "studio", "beam_pipeline", "launch")
"""The packages at this project's top."""
LEFT_OUT = (
    "apache-beam",
    "tensorflow",
    "keras",
    "tf-keras",
    "tf2onnx",
    "google-cloud-pubsub",
    "alembic",
    "psycopg",
    "sqlalchemy",
)
"""The distributions that a server's installation does without, as `launch/container/left-out.in` has them."""
_RENAME = "rename it, or call `hotswap` from another folder and without PYTHONPATH"


def python_version() -> Iterator[Finding]:
    """The interpreter against the versions that this project states."""
    shown, supported = ".".join(map(str, sys.version_info[:3])), supported_pythons()
    if supported.contains(shown):
        yield Finding("ok", f"Python {shown} at {sys.executable}")
    else:
        yield Finding("fail", f"Python {shown}", f"install Python {_in_words(supported)}, then run `make demo`")


def supported_pythons() -> SpecifierSet:
    """The versions of Python that this project runs on; all where it states none here."""
    try:
        stated = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except importlib.metadata.PackageNotFoundError:
        stated = _stated_in_setup("python_requires")
    return SpecifierSet(stated or "")


def _in_words(versions: SpecifierSet) -> str:
    words = {">=": "{} or newer", "<": "older than {}"}
    ordered = sorted(versions, key=lambda each: each.operator, reverse=True)
    return ", ".join(words.get(each.operator, each.operator + "{}").format(each.version) for each in ordered)


def is_a_servers() -> bool:
    """Whether a server alone can be run by what is installed: there is nothing of what it does without."""
    return not any(map(_installed, LEFT_OUT))


def packages() -> Iterator[Finding]:
    """The installed versions against the ranges that this project states."""
    required = requirements()
    if is_a_servers():
        required = [each for each in required if each.name not in LEFT_OUT]
        yield Finding(
            "ok", "a server's installation: without Beam and TensorFlow it runs no job, and vets no Keras file"
        )
    if not required:
        yield Finding("warn", "the project states no requirements here", "install it: pip install .")
        return
    wrong = []
    for requirement in required:
        installed = _installed(requirement.name)
        if installed is None:
            wrong.append(Finding("fail", f"{requirement.name} is not installed", f"pip install '{requirement}'"))
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(
                Finding("fail", f"{requirement.name} is {installed}", f"pip install '{requirement}' (supported range)")
            )
    yield from wrong or [Finding("ok", f"{len(required)} packages, all in their supported ranges")]


def _installed(name: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def bytecode(folders: Sequence[Path] | None = None) -> Iterator[Finding]:
    """Whether Keras and TensorFlow are compiled to bytecode: pip does that as it installs, uv where it is asked to."""
    folders = folders or [Path(spec.origin).parent for spec in map(find_spec, KERAS) if spec and spec.origin]
    if not folders:
        return
    modules = [module for folder in folders for module in folder.rglob("*.py")]
    compiled = sum(Path(cache_from_source(str(module))).exists() for module in modules)
    if compiled >= len(modules) / 2:  # what nobody has imported yet may lack it
        yield Finding("ok", "Keras and TensorFlow are compiled to bytecode")
        return
    what = f"{compiled} of {len(modules)} modules of Keras and TensorFlow are compiled to bytecode: vetting begins late"
    yield Finding("warn", what, f"{sys.executable} -m compileall -q {' '.join(map(str, folders))}")


def names() -> Iterator[Finding]:
    """Whether modules of the user's own are called as this project's are, where Python would look for them first."""
    hidden = False
    for name in OURS:
        imported = importlib.import_module(name).__file__
        if imported and not Path(imported).is_relative_to(ROOT):
            hidden = True
            yield Finding("fail", f"{name} is not this project's but {imported}", _RENAME)
    for place, looked_at in _first_places():
        for name in OURS:
            found = PathFinder.find_spec(name, [str(place)])
            if found is None or found.origin is None:  # a folder without __init__.py hides nothing
                continue
            if not Path(found.origin).is_relative_to(ROOT):
                hidden = True
                yield Finding("warn", f"{found.origin} hides this project's {name} from {looked_at}", _RENAME)
    if not hidden:
        yield Finding("ok", "no module here hides this project's")


def _first_places() -> Iterator[tuple[Path, str]]:
    """Where Python looks before it looks at what is installed, and when it does."""
    yield Path.cwd(), "`python -m` in this folder"
    for entry in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if Path(entry).resolve() != Path.cwd():
            yield Path(entry).resolve(), "every Python, by PYTHONPATH"


def requirements() -> list[Requirement]:
    """What this project needs, from its metadata where it is installed, else from the checkout's `setup.py`."""
    try:
        stated = importlib.metadata.requires(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        stated = _stated_in_setup("install_requires")
    found = [Requirement(text) for text in stated or []]
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]


def _stated_in_setup(keyword: str) -> Any:
    """The value that the checkout's `setup.py` gives a keyword; None where there is no checkout."""
    path = setup_file()
    if path is None:
        return None
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == keyword:
            return ast.literal_eval(node.value)
    return None
