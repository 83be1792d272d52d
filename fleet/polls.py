"""Who asks, and whether something changed for them: one query for all that ask meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from itertools import islice

from fleet.devices import Head
from fleet.identities import is_identity
from serving.asking import Code, Refused

NO_TOKEN = "the device's token is needed: Authorization: Bearer TOKEN"  # noqa: S105 - says that there is none
_MOST_AT_ONCE = 500
"""Devices in one query."""
_MOST_WAITING = 20_000
_NOBODY = secrets.token_bytes(32)
"""What the tokens of devices that there are not are held against, in the same time."""


class Polls:
    """Finds out who asks, in the database each time: a token that is worth nothing any more, or another etag, counts
    at once, whoever wrote it.

    While a query is under way, who asks meanwhile shares the next. All methods are the event loop's.

    Args:
        heads: answers the token's digest and the etag of devices, by one query; called in a thread.
        threads: for it.
    """

    def __init__(self, heads: Callable[[Collection[str]], Mapping[str, Head]], threads: Executor) -> None:
        self._heads = heads
        self._threads = threads
        self._waiting: dict[str, asyncio.Future[Head | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._seen: set[str] = set()

    async def known(self, device: str, authorization: str | None) -> Head:
        """What is known of a device that has shown its token.

        Args:
            device: as the path has it.
            authorization: the header, `Bearer TOKEN`.

        Raises:
            Refused: `UNAUTHENTICATED`, the same for a wrong token and for a device that there is not;
                `RESOURCE_EXHAUSTED`: too many ask at once.
            FleetError: the database gives no answer.
        """
        scheme, _, token = (authorization or "").partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        head = await self._head(device) if is_identity(device) else None
        is_right = hmac.compare_digest(digest, head.token_sha256 if head else _NOBODY)
        if head is None or not is_right or scheme.lower() != "bearer":
            raise Refused(Code.UNAUTHENTICATED, NO_TOKEN)
        self._seen.add(device)
        return head

    def seen(self) -> set[str]:
        """The devices that asked since this was called last."""
        seen, self._seen = self._seen, set()
        return seen

    @property
    def waiting(self) -> int:
        """How many devices wait for a query that has not begun."""
        return len(self._waiting)

    async def _head(self, device: str) -> Head | None:
        found = self._waiting.get(device)
        if found is None:
            if self.waiting >= _MOST_WAITING:
                raise Refused(Code.RESOURCE_EXHAUSTED, "many ask at once; try again in a moment")
            found = self._waiting[device] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(found)  # which others may wait for too

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                asked = {device: self._waiting.pop(device) for device in list(islice(self._waiting, _MOST_AT_ONCE))}
                try:
                    heads = await loop.run_in_executor(self._threads, self._heads, list(asked))
                except Exception as error:
                    for waiting in asked.values():
                        waiting.set_exception(error)
                        waiting.exception()  # who waited may be gone: nobody need have asked for it
                else:
                    for device, waiting in asked.items():
                        waiting.set_result(heads.get(device))
        finally:
            self._asking = None
