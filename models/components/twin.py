"""What a device is to run and what it says that it does, in the shape of a device twin.

    {"deviceId": "robot-7", "etag": "5e0c…",
     "properties": {
       "desired":  {"models": [{"name", "version", "url", "sha256", "size", "signature"}, …], "$version": 7},
       "reported": {"models": [{"name", "version", "sha256", "model_id", "state", "error", "detail"}, …],
                    "agent", "target", "free_bytes", "$version": 3}}}

The shape is that of Azure IoT Hub's twins: of its two halves a service writes one, and the device the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from models.components.component import MOST_BYTES, checked_component_name, checked_version
from models.errors import one_line

MOST_TWIN_BYTES = 1 << 20
MOST_MODELS = 32
MOST_WRITES = 1 << 60
"""That are counted."""
_LONGEST_URL = 8192
LONGEST_SIGNATURE = 64 << 10
_LONGEST_DETAIL = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"[\x21\x23-\x7e]{0,128}")
"""RFC 9110, without the bytes that are not ASCII: it travels in a header."""

RunState = Literal["fetching", "trial", "running", "failed"]
"""`fetching`: on its way; `trial`: answers, for its first minutes; `running`: has answered for longer; `failed`: was
given up, and is not tried again."""


class TwinMalformed(ValueError):  # noqa: N818 - named for the state it reports
    """A document that is no device twin; its text is one line."""


@dataclass(frozen=True, slots=True)
class DesiredModel:
    """One component that a device is to run.

    Attributes:
        name: of the component; a device has one of each name.
        version: of the component.
        url: where its archive is read, `http://` or `https://`; dies within the hour. "" where it is not told.
        sha256: of the archive, all 64 hexadecimal digits.
        size: of the archive, in bytes.
        signature: of the archive: by OpenSSF Model Signing, a Sigstore bundle in JSON; None where nobody signed it.
    """

    name: str
    version: str
    url: str
    sha256: str
    size: int
    signature: str | None = None

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    def without_url(self) -> DesiredModel:
        """As it is kept: addresses die, and are made for whoever asks."""
        return replace(self, url="")


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """What a device says of one component.

    Attributes:
        name: of the component.
        version: of the component.
        sha256: of its archive.
        model_id: of the model that it was made of; "" where the device has not seen its manifest.
        state: what became of it.
        error: a word, where it failed or cannot be fetched now; "" where all is well.
        detail: one line of text about it.
    """

    name: str
    version: str
    sha256: str
    model_id: str
    state: RunState
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a device says of itself.

    Attributes:
        models: one for each component that it runs, fetches, or gave up.
        agent: the version of its software.
        target: of components that it runs, as `models.components.component.TARGETS` names them.
        free_bytes: on its disk, rounded, so that it does not change all the time; -1 where it is not known.
        version: grows by one with each that is written.
    """

    models: tuple[ReportedModel, ...] = ()
    agent: str = ""
    target: str = ""
    free_bytes: int = -1
    version: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a twin holds it."""
        return {
            "models": [asdict(each) for each in self.models],
            "agent": self.agent,
            "target": self.target,
            "free_bytes": self.free_bytes,
            "$version": self.version,
        }

    @classmethod
    def from_json(cls, value: Any) -> Reported:
        """What `to_json` made, or what a stranger says that it did. All may be missing.

        Raises:
            TwinMalformed: it is none.
        """
        try:
            models = tuple(_reported_model(each) for each in _objects(value.get("models", [])))
            return cls(
                models,
                _text(value.get("agent", ""), 100),
                _text(value.get("target", ""), 100),
                _whole(value.get("free_bytes", -1), "free_bytes", -1, 1 << 60),
                _whole(value.get("$version", 0), "$version", 0, MOST_WRITES),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TwinMalformed(f"what a device reports cannot be read: {one_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Twin:
    """A device's twin.

    Attributes:
        device: its identity.
        models: what it is to run, in the order of its making; the first is what `current` leads to.
        version: of what is desired; grows by one with each that is written.
        etag: of what is desired, another one each time that it is written. Addresses do not change it.
        reported: what the device says.
    """

    device: str
    models: tuple[DesiredModel, ...] = ()
    version: int = 0
    etag: str = ""
    reported: Reported = field(default_factory=Reported)

    def with_model(self, model: DesiredModel) -> tuple[DesiredModel, ...]:
        """What is desired once a model takes the place of that of its name; the others stay as they are."""
        if any(each.name == model.name for each in self.models):
            return tuple(model if each.name == model.name else each for each in self.models)
        return (*self.models, model)

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "deviceId": self.device,
            "etag": self.etag,
            "properties": {
                "desired": {"models": [asdict(each) for each in self.models], "$version": self.version},
                "reported": self.reported.to_json(),
            },
        }

    def encode(self) -> bytes:
        """The document as bytes of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, data: bytes) -> Twin:
        """Reads what `encode` wrote, or what a stranger says that it did.

        Raises:
            TwinMalformed: it is none.
        """
        if len(data) > MOST_TWIN_BYTES:
            raise TwinMalformed(f"a twin has more than {MOST_TWIN_BYTES:,} bytes")
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise TwinMalformed(f"it is no device twin: {one_line(error)}") from error
        return cls.from_json(value)

    @classmethod
    def from_json(cls, value: Any) -> Twin:
        """Reads the document.

        An address that is none counts as not told. What is said to be reported, and cannot be read, counts as nothing:
        a device is not cut off by what it, or whoever keeps its twin, wrote there once. Anything else that is wrong
        with one model makes the whole no twin: to leave a model out would have another one be the first.

        Raises:
            TwinMalformed: it is none.
        """
        try:
            desired = value["properties"]["desired"]
            models = tuple(_desired_model(each) for each in _objects(desired.get("models", [])))
            if len({each.name for each in models}) != len(models):
                raise ValueError("two models are of one name")
            return cls(
                device=_text(value["deviceId"], 128),
                models=models,
                version=_whole(desired.get("$version", 0), "$version", 0, MOST_WRITES),
                etag=_etag(value["etag"]),
                reported=_reported(value["properties"].get("reported", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TwinMalformed(f"it is no device twin: {one_line(error)}") from error


def _reported(value: Any) -> Reported:
    try:
        return Reported.from_json(value)
    except TwinMalformed:
        return Reported()


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or len(value) > MOST_MODELS or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"`models` is no list of {MOST_MODELS} objects at most")
    return value


def _desired_model(value: Mapping[str, Any]) -> DesiredModel:
    signature = value.get("signature")
    return DesiredModel(
        checked_component_name(value["name"]),
        checked_version(value.get("version", "0.0.0")),
        _url(value.get("url")),
        _digest(value["sha256"]),
        _whole(value["size"], "size", 1, MOST_BYTES),
        None if signature is None else _signature(signature),
    )


def _reported_model(value: Mapping[str, Any]) -> ReportedModel:
    if value["state"] not in get_args(RunState):
        raise ValueError(f"{ascii(value['state'])[:60]} is no state; {', '.join(get_args(RunState))} are")
    return ReportedModel(
        checked_component_name(value["name"]),
        checked_version(value["version"]),
        _digest(value["sha256"]),
        _text(value.get("model_id", ""), 4096),
        cast(RunState, value["state"]),
        _text(value.get("error", ""), 100),
        _text(value.get("detail", ""), _LONGEST_DETAIL),
    )


def _url(value: Any) -> str:
    """An address; "" where it is none."""
    try:
        text = _text(value, _LONGEST_URL)
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_one = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    return text if is_one else ""


def _signature(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_SIGNATURE:
        raise ValueError(f"a signature is no text, or longer than {LONGEST_SIGNATURE:,} characters")
    value.encode()  # what cannot be written is none
    return value


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} is {ascii(value)[:60]}, and {least:,} to {most:,} are possible")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"{ascii(value)[:100]} is no SHA-256 of 64 hexadecimal digits")
    return value


def _etag(value: Any) -> str:
    if not isinstance(value, str) or not _ETAG.fullmatch(value):
        raise ValueError(f"{ascii(value)[:100]} is no etag: 128 visible characters of ASCII at most, and no quote")
    return value


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ValueError(f"a text is none, is longer than {longest:,} characters, or cannot be printed")
    return value
