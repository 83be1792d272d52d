"""What a component says of itself: `manifest.json`, the first file in its archive."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from models.artefacts import FORMAT, MANIFEST, EngineName, Manifest
from models.card_fields import whole
from models.components.runtimes import Runtime, runtime_of
from models.errors import ComponentFault, ComponentRefused, ModelRejected, one_line

Target = Literal["linux-x86_64", "linux-aarch64"]
"""The machines that a component is made for: system and processor, as `uname -m` says it."""
TARGETS: tuple[Target, ...] = get_args(Target)
Precision = Literal["fp32", "int8"]
"""Of the numbers that a released model computes with: `fp32` for those of its file."""

COMPONENT_FORMAT = 1
CARD_FILE, LABELS_FILE = "card.json", "labels.json"
MOST_FILES = 32
MOST_BYTES = (1 << 31) - (1 << 20)
"""Of all files of a component: with more an archive needs an extension of the format."""
MOST_MANIFEST_BYTES = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What file systems, buckets and Greengrass take alike."""
_NUMBER = "(0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_TEXT = 4096
_OF_THE_MODEL = ("sha256", "input_shape", "input_dtype", "input_name", "outputs", "memory")
"""What a device needs of the manifest that vetting made; the rest tells of the machine that vetted."""


@dataclass(frozen=True, slots=True)
class ComponentFile:
    """One file of a component.

    Attributes:
        name: without any folder.
        sha256: all 64 hexadecimal digits.
        size: bytes.
    """

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Component:
    """What a component is.

    Attributes:
        name: of the component; the same for each version.
        version: `X.Y.Z`, perhaps with a suffix, `1.0.0-rc.1`.
        target: the machines that it is made for.
        precision: of the numbers that the model computes with.
        model_id: of the file that it was made of, which results bear.
        source_sha256: of that file, all 64 hexadecimal digits.
        runtime: what executes it.
        files: all that there are beside the manifest, sorted by name.
        model: how the compiled form is asked, as `Manifest.to_json` tells it; the card and the labels have files.
    """

    name: str
    version: str
    target: Target
    precision: Precision
    model_id: str
    source_sha256: str
    runtime: Runtime
    files: tuple[ComponentFile, ...]
    model: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    @property
    def stem(self) -> str:
        """The archive's name without its `.zip`."""
        return f"{self.name}-{self.version}-{self.target}"

    def encode(self) -> bytes:
        """As `manifest.json` holds it; the same component gives the same bytes."""
        value = {"format": COMPONENT_FORMAT} | asdict(self)
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Component:
        """Reads what `encode` wrote, or what a stranger says that it did.

        Raises:
            ComponentRefused: `not_a_component` or `unsafe_name`.
        """
        try:
            value = json.loads(data)
            if value["format"] != COMPONENT_FORMAT:
                raise ValueError(f"its format is {value['format']!r}, and {COMPONENT_FORMAT} is read here")
            return cls._read(value)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelRejected) as error:
            raise ComponentRefused(
                ComponentFault.NOT_A_COMPONENT, f"its {MANIFEST} is none: {one_line(error)}"
            ) from error

    @classmethod
    def _read(cls, value: dict[str, Any]) -> Component:
        files = tuple(
            ComponentFile(
                checked_name(str(each["name"])),
                _matching(_DIGEST, each["sha256"], "a digest"),
                whole(each["size"], "size", 0, MOST_BYTES),
            )
            for each in value["files"]
        )
        if len({each.name.lower() for each in files} - {MANIFEST}) != len(files) or len(files) > MOST_FILES:
            raise ValueError("it lists a file twice, itself, or too many")
        runtime = runtime_of(cast(EngineName, value["runtime"]["engine"]))
        return cls(
            name=checked_component_name(value["name"]),
            version=checked_version(value["version"]),
            target=cast(Target, _one_of(TARGETS, value["target"])),
            precision=cast(Precision, _one_of(get_args(Precision), value["precision"])),
            model_id=_text(value["model_id"]),
            source_sha256=_matching(_DIGEST, value["source_sha256"], "a digest"),
            runtime=Runtime(runtime.engine, runtime.package, _text(value["runtime"]["range"])),
            files=files,
            model={field: value["model"][field] for field in _OF_THE_MODEL},
        )

    def manifest(self, card: Mapping[str, Any]) -> Manifest:
        """How the model is asked and what it answers, as vetting found it out.

        Args:
            card: whole, with its labels.

        Raises:
            ComponentRefused: `not_a_component`; the two do not fit.
        """
        of_vetting: dict[str, Any] = {"format": FORMAT, "engine_reason": "", "seconds": 0, "notes": []}
        try:
            return Manifest.from_json(dict(self.model) | of_vetting | {"engine": self.runtime.engine, "card": card})
        except (ValueError, KeyError, TypeError, AttributeError, ModelRejected) as error:
            raise ComponentRefused(
                ComponentFault.NOT_A_COMPONENT, f"how its model is asked cannot be read: {one_line(error)}"
            ) from error


def asked_so(manifest: Manifest) -> dict[str, Any]:
    """What of a vetted model's manifest goes into `Component.model`.

    Memory is measured, a little otherwise each time: it is rounded up to a power of two, and left out where it is less
    than any host may take.
    """
    told = json.loads(json.dumps(manifest.to_json()))
    memory = manifest.memory
    told["memory"] = 1 << (memory - 1).bit_length() if memory > _ALLOWED_ANYWAY else 0
    return {field: told[field] for field in _OF_THE_MODEL}


_ALLOWED_ANYWAY = 1 << 29
"""Bytes; see `models.hosting.host`."""


def checked_name(name: str) -> str:
    """A file's name in a component.

    Raises:
        ComponentRefused: `unsafe_name`; it leads elsewhere, or not every file system takes it.
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise ComponentRefused(ComponentFault.UNSAFE_NAME, f"it holds a file of the name {ascii(name)[:100]}")
    return name


def checked_component_name(name: str) -> str:
    """A component's name.

    Raises:
        ValueError: it is none that Greengrass and every storage take; its text is one line.
    """
    return _matching(_NAME, name, "a name of letters, digits, `-`, `_` and `.`")


def checked_version(version: str) -> str:
    """A component's version.

    Raises:
        ValueError: it is none; its text is one line.
    """
    return _matching(_VERSION, version, "a version; X.Y.Z is expected, e.g. 1.0.0")


def _matching(pattern: re.Pattern[str], value: Any, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value) or len(value) > 128:
        raise ValueError(f"{ascii(value)[:100]} is not {what}")
    return value


def _one_of(choices: tuple[str, ...], value: Any) -> str:
    if value not in choices:
        raise ValueError(f"{ascii(value)[:60]} is none of {', '.join(choices)}")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError("a text is none, or cannot be printed")
    return value
