"""What may come to devices: the archives on the shelf, one for each version and target. None of them ever changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from itertools import chain, count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, tuple_

from fleet.errors import NoSuchRelease, ReleaseTaken
from fleet.store.database import Database
from fleet.store.tables import releases
from models.components.component import Component, Target, checked_component_name, checked_version
from models.components.twin import DesiredModel
from models.reference import sha256_of


@dataclass(frozen=True, slots=True)
class Release:
    """One archive on the shelf.

    Attributes:
        name: of the component.
        version: of the component.
        target: that it is made for.
        model_id: of the model that it was made of.
        source_sha256: of that model's file, 64 hexadecimal digits.
        sha256: of the archive, 64 hexadecimal digits.
        size: of the archive, bytes.
        uri: where the archive lies on the shelf: a path, `gs://`, `s3://` or `az://`.
        signature: of the archive: a Sigstore bundle in JSON; None where nobody signed it.
        terms: what it was made by besides the model's file (engine, precision, version of the converter), as one text
            that the maker compares.
        created: when it was recorded, seconds since 1970.
    """

    name: str
    version: str
    target: Target
    model_id: str
    source_sha256: str
    sha256: str
    size: int
    uri: str
    signature: str | None = None
    terms: str = ""
    created: float = 0.0

    @classmethod
    def of(
        cls, component: Component, archive: Path, uri: str, signature: str | None, terms: str, created: float
    ) -> Release:
        """What is to be recorded of a component that is on the shelf.

        Args:
            component: what its archive holds.
            archive: a local copy of it.
            uri, signature, terms, created: as of the attributes.

        Raises:
            OSError: the archive cannot be read.
        """
        return cls(
            component.name,
            component.version,
            component.target,
            component.model_id,
            component.source_sha256,
            sha256_of(archive),
            archive.stat().st_size,
            uri,
            signature,
            terms,
            created,
        )

    @property
    def title(self) -> str:
        """Name, version and target, for people."""
        return f"{self.name} {self.version} for {self.target}"

    def desired(self) -> DesiredModel:
        """As a twin names it, without an address."""
        return DesiredModel(self.name, self.version, "", self.sha256, self.size, self.signature)


_COMPARED = tuple(each.name for each in fields(Release) if each.name not in ("created", "signature", "uri"))
"""What makes two releases the same. A signature differs each time that it is made, and a shelf may be moved."""


class Releases:
    """The releases of a fleet. Any thread may use it.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, release: Release) -> Release:
        """Puts a release on record, once.

        Returns:
            what is on record: the same archive may have been recorded before, with another signature or address.

        Raises:
            ReleaseTaken: this name, version and target is on record with other content.
            ValueError: name or version cannot be those of a component.
            StoreUnusable: the database does not answer.
        """
        checked_component_name(release.name)
        checked_version(release.version)
        with self._database.changing_plans() as connection:
            kept = find_release(connection, release.name, release.version, release.target)
            if kept is None:
                connection.execute(insert(releases).values(asdict(release)))
                return release
        if any(getattr(kept, field) != getattr(release, field) for field in _COMPARED):
            raise release_taken(release)
        return kept

    def find(self, name: str, version: str, target: Target) -> Release:
        """One release.

        Raises:
            NoSuchRelease: there is none.
            StoreUnusable: as of `record`.
        """
        with self._database.reading() as connection:
            found = find_release(connection, name, version, target)
        if found is None:
            raise no_such_release(name, version)
        return found

    def all(self, name: str | None = None) -> list[Release]:
        """Every release, sorted by name, version (the newest last) and target.

        Args:
            name: of the component alone; None: of all.

        Raises:
            StoreUnusable: as of `record`.
        """
        with self._database.reading() as connection:
            return all_releases(connection, name)

    def uri_of(self, name: str, sha256: str) -> str | None:
        """Where an archive is on its shelf; None where none such is on record.

        Args:
            name: of the component.
            sha256: of the archive.

        Raises:
            StoreUnusable: as of `record`.
        """
        query = select(releases.c.uri).where(releases.c.name == name, releases.c.sha256 == sha256).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def of_source(self, name: str, source_sha256: str, terms: str) -> list[Release]:
        """What was made of a model's file by the same terms: the releases of one version, the newest that there is.

        Returns:
            one for each target, sorted by target; empty where none was made.

        Raises:
            StoreUnusable: as of `record`.
        """
        made = [each for each in self.all(name) if each.source_sha256 == source_sha256 and each.terms == terms]
        return [each for each in made if each.version == made[-1].version]

    def next_version(self, name: str) -> str:
        """The version after all on record: `N.0.0`, N one more than the greatest; `1.0.0` where there is none.

        Where numbers have no more digits, the next minor version, or the next patch; after the last of all one that is
        free.

        Raises:
            StoreUnusable: as of `record`.
        """
        known = {each.version for each in self.all(name)}
        major, minor, patch = max((_numbers(each) for each in known), default=(0, 0, 0))
        after = [(major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1)]
        versions = (".".join(map(str, each)) for each in chain(after, ((number, 0, 0) for number in count(1))))
        return next(each for each in versions if _is_version(each) and each not in known)


def version_order(version: str) -> tuple[Any, ...]:
    """By what versions are sorted: numbers as numbers, and `1.0.0-rc.1` before `1.0.0`."""
    suffix = version.partition("-")[2]
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in suffix.split(".")]
    return (_numbers(version), not suffix, parts)


def _is_version(version: str) -> bool:
    try:
        checked_version(version)
    except ValueError:
        return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def all_releases(connection: Connection, name: str | None = None) -> list[Release]:
    """As of `Releases.all`, in a transaction."""
    query = select(releases) if name is None else select(releases).where(releases.c.name == name)
    found = [_release(row) for row in connection.execute(query)]
    return sorted(found, key=lambda each: (each.name, version_order(each.version), each.target))


def releases_of(connection: Connection, versions: Collection[tuple[str, str]]) -> list[Release]:
    """The releases of these versions (name, version), in a transaction; in any order."""
    query = select(releases).where(tuple_(releases.c.name, releases.c.version).in_(sorted(versions)))
    return [_release(row) for row in connection.execute(query)] if versions else []


def find_release(connection: Connection, name: str, version: str, target: str) -> Release | None:
    """One release, in a transaction; None where there is none."""
    key = (releases.c.name == name, releases.c.version == version, releases.c.target == target)
    row = connection.execute(select(releases).where(*key)).one_or_none()
    return None if row is None else _release(row)


def no_such_release(name: str, version: str) -> NoSuchRelease:
    """The error, with both printable."""
    return NoSuchRelease(f"there is no release {ascii(name)[1:-1][:140]} {ascii(version)[1:-1][:140]} on record")


def release_taken(release: Release) -> ReleaseTaken:
    """The error, of a release whose version is on record with other content."""
    return ReleaseTaken(f"{release.title} is on record with other content, and a release never changes")


def _release(row: Row[Any]) -> Release:
    return Release(**row._asdict())
