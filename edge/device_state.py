"""What a device's agent knows of its folder: what is desired, what lies at each place, and what failed here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from models.components.component import checked_component_name
from models.components.twin import DesiredModel, Reported, Twin, TwinMalformed
from models.errors import one_line

STATE_FORMAT = 1
FIRST_PLACE = ""
"""The place whose link is `current`; that of another is `NAME/current`."""
FOLDER_DIGITS = 16
"""Of an archive's SHA-256: those that name the folder of what it held."""
_DIGEST = re.compile(rf"[0-9a-f]{{{FOLDER_DIGITS}}}([0-9a-f]{{48}})?")
MOST_FAILURES = 64
"""Of archives, the latest ones."""


class StateUnreadable(ValueError):  # noqa: N818 - named for the state it reports
    """A state that this version did not write, or that a disk damaged; its text is one line."""


@dataclass(frozen=True, slots=True)
class Installed:
    """One version of a component that was verified here.

    Attributes:
        name, version: of the component.
        sha256: of its archive, all 64 hexadecimal digits; see `is_known`.
        manifest: SHA-256 of its `manifest.json`, by which `hotswap-edge run` knows it.
        model_id: of the model that it was made of.
        signature: of the archive, as it was desired; None where nobody signed it.
    """

    name: str
    version: str
    sha256: str
    manifest: str
    model_id: str
    signature: str | None = None

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    @property
    def is_known(self) -> bool:
        """Whether all of its archive's digest is; of a release that was found without a state it is not."""
        return len(self.sha256) > FOLDER_DIGITS

    @property
    def folder_name(self) -> str:
        """Of the folder that it lies in, below `components/`."""
        return self.sha256[:FOLDER_DIGITS]


@dataclass(frozen=True, slots=True)
class Trial:
    """The first minutes of a release at a place.

    Attributes:
        boot: of the machine, in which it was looked at last.
        seen: when that was, in seconds of that boot (`time.monotonic`); no clock of the wall is asked.
        seconds: of the trial that are over.
        boots: how often the machine began anew meanwhile.
        deaths: of programs that ended without saying so while they ran it, by their names.
        answered: whether one has answered by it.
    """

    boot: str
    seen: float
    seconds: float = 0.0
    boots: int = 0
    deaths: tuple[str, ...] = ()
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One link of the folder, and what it may lead to.

    Attributes:
        current: what it leads to; None where nothing came yet.
        last_good: what it leads back to where `current` fails.
        trial: while `current` has still to prove itself.
    """

    current: Installed | None = None
    last_good: Installed | None = None
    trial: Trial | None = None

    def releases(self) -> tuple[Installed, ...]:
        """All that must stay on the disk for it."""
        return tuple(each for each in (self.current, self.last_good) if each is not None)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a release is not tried again.

    Attributes:
        name, version: of the component.
        model_id: of the model that it was made of; "" where that was not found out.
        error: a word.
        detail: one line of text.
    """

    name: str
    version: str
    model_id: str
    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeviceState:
    """All that `state.json` holds.

    Attributes:
        etag: of what was heard last; "" where nothing was.
        desired: what was heard then, without addresses, which die.
        places: by their names; the first one is always there.
        failed: by the SHA-256 of an archive, the latest last.
        told: what the server was told last.
    """

    etag: str = ""
    desired: tuple[DesiredModel, ...] = ()
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({FIRST_PLACE: Place()}))
    failed: Mapping[str, Failure] = field(default_factory=lambda: MappingProxyType({}))
    told: Reported = Reported()

    def wanted(self) -> dict[str, DesiredModel]:
        """What is desired at each place. The first model keeps the place of its name where it had one before."""
        if not self.desired:
            return {}
        first, *others = self.desired
        wanted = {FIRST_PLACE: first} | {each.name: each for each in others}
        return wanted | ({first.name: first} if first.name in self.places else {})

    def here(self, sha256: str) -> Installed | None:
        """The release of an archive, if it lies here."""
        return next((each for each in self.releases().values() if each.sha256 == sha256), None)

    def is_proved(self, release: Installed) -> bool:
        """Whether a release that lies here has come through its trial at some place."""
        return release.sha256 not in self.failed and any(
            release == place.last_good or (release == place.current and place.trial is None)
            for place in self.places.values()
        )

    def releases(self) -> dict[str, Installed]:
        """All that must stay on the disk, by the names of their folders."""
        return {each.folder_name: each for place in self.places.values() for each in place.releases()}

    def with_place(self, name: str, place: Place) -> DeviceState:
        """With another place of this name."""
        return replace(self, places={**self.places, name: place})

    def with_failure(self, sha256: str, failure: Failure) -> DeviceState:
        """With one more archive that is not tried again."""
        others = [(key, value) for key, value in self.failed.items() if key != sha256]
        return replace(self, failed=dict([*others, (sha256, failure)][-MOST_FAILURES:]))

    def without_failures(self, trial: Trial) -> DeviceState:
        """With everything that was given up to be tried again.

        Args:
            trial: of what failed and still is current, as there was no other.
        """
        places = {
            name: replace(place, trial=trial) if place.current and place.current.sha256 in self.failed else place
            for name, place in self.places.items()
        }
        return replace(self, places=places, failed={})

    def encode(self) -> bytes:
        """As `state.json` holds it."""
        value = {
            "format": STATE_FORMAT,
            "twin": Twin("", self.desired, etag=self.etag, reported=self.told).to_json(),
            "places": {name: asdict(place) for name, place in self.places.items()},
            "failed": {sha256: asdict(failure) for sha256, failure in self.failed.items()},
        }
        return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> DeviceState:
        """Reads what `encode` wrote.

        Raises:
            StateUnreadable: it did not.
        """
        try:
            value = json.loads(data)
            if value["format"] != STATE_FORMAT:
                raise ValueError(f"its format is {value['format']!r}, and {STATE_FORMAT} is read here")
            twin = Twin.from_json(value["twin"])
            return cls(
                etag=twin.etag,
                desired=twin.models,
                places={FIRST_PLACE: Place()} | _places(value["places"]),
                failed={_text(sha256): _failure(each) for sha256, each in value["failed"].items()},
                told=twin.reported,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TwinMalformed) as error:
            raise StateUnreadable(one_line(error)) from error


def _places(value: Any) -> dict[str, Place]:
    """By names that lead to no other folder."""
    return {name if name == FIRST_PLACE else checked_component_name(name): _place(each) for name, each in value.items()}


def _place(value: Any) -> Place:
    current, last_good, trial = value["current"], value["last_good"], value["trial"]
    return Place(
        None if current is None else _installed(current),
        None if last_good is None else _installed(last_good),
        None if trial is None else _trial(trial),
    )


def _installed(value: Any) -> Installed:
    if not isinstance(value["sha256"], str) or not _DIGEST.fullmatch(value["sha256"]):
        raise ValueError(f"{ascii(value['sha256'])[:100]} is no digest of an archive")
    texts = {field: _text(value[field]) for field in ("name", "version", "sha256", "manifest", "model_id")}
    signature = value.get("signature")  # agents of before kept none
    return Installed(**texts, signature=None if signature is None else _text(signature))


def _trial(value: Any) -> Trial:
    boots, deaths, answered = value["boots"], value["deaths"], value["answered"]
    if type(boots) is not int or type(answered) is not bool or not isinstance(deaths, list):
        raise ValueError(f"{ascii(value)[:100]} is no trial")
    seen, seconds = _number(value["seen"]), _number(value["seconds"])
    return Trial(_text(value["boot"]), seen, seconds, boots, tuple(map(_text, deaths)), answered)


def _failure(value: Any) -> Failure:
    return Failure(**{field: _text(value[field]) for field in ("name", "version", "model_id", "error", "detail")})


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{ascii(value)[:100]} is no number of seconds")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{ascii(value)[:100]} is no text")
    value.encode()  # whatever is read is written again
    return value
