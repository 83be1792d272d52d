"""Tags `KEY=VALUE`: put among those of a card, and asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from models.card_fields import MAX_LABEL
from models.errors import TagMalformed
from models.printable import printable


def read_tags(given: Iterable[str], *, once: bool = False) -> tuple[str, ...]:
    """Tags as a user gave them, in their order and each once.

    Args:
        given: `KEY=VALUE` each; a value may hold further `=`.
        once: whether a key may have one value alone.

    Raises:
        TagMalformed: one is none, or a key has two values that may have one.
    """
    tags = tuple(dict.fromkeys(given))
    for tag in tags:
        key, separator, value = tag.partition("=")
        if not (key and separator and value) or any(character.isspace() for character in key):
            raise TagMalformed(f"--tag {tag!r}: KEY=VALUE is expected, with no spaces in KEY, e.g. stage=production")
        if value != value.strip() or not tag.isprintable() or len(tag) > MAX_LABEL:
            raise TagMalformed(f"--tag {tag[:60]!r}: at most {MAX_LABEL} characters that can be printed are expected")
    keys = [_key(tag) for tag in tags]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if once and twice:
        raise TagMalformed(f"--tag {twice}=…: the key has two values; give one")
    return tags


def with_tags(present: Sequence[object], given: Collection[str]) -> list[object]:
    """Tags with others added, which replace those of the same key."""
    keys = {_key(tag) for tag in given}
    return [tag for tag in present if not (isinstance(tag, str) and "=" in tag and _key(tag) in keys)] + list(given)


def by_key(tags: Iterable[str]) -> dict[str, str]:
    """Tags as a mapping: several values of one key with commas between; "" for a tag that is a word alone."""
    values: dict[str, list[str]] = {}
    for tag in tags:
        key, _, value = tag.partition("=")
        values.setdefault(key, []).append(value)
    return {key: ", ".join(filter(None, several)) for key, several in values.items()}


def has_tags(tags: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether all that are wanted are among a model's; each is compared as it is printed, as records keep it."""
    return set(map(printable, wanted)) <= set(map(printable, tags))


def _key(tag: str) -> str:
    return tag.partition("=")[0]
