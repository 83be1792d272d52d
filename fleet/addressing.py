"""Addresses for devices that ask: a bucket's service that is slow holds up nobody who asks for something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from fleet.addresses import BucketAddresses, NotMinted, OwnAddresses
from fleet.public_address import asked_at
from models.troubles import Troubles

_PATIENCE_SECONDS = 20.0
"""That a device waits for a bucket's service; it asks again then."""


class Addressing:
    """Where devices find what they are to run. All methods are the event loop's.

    Args:
        own: of archives that this server sends.
        buckets: of archives in buckets.
        threads: that wait for the buckets' services, and do nothing else.
        troubles: is told where no address can be made.
        public_url: where devices reach this server; None for where each says that it did.
        clock: wall-clock seconds.
        patience: seconds that a device waits.
    """

    def __init__(
        self,
        own: OwnAddresses,
        buckets: BucketAddresses,
        threads: Executor,
        troubles: Troubles,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._own = own
        self._buckets = buckets
        self._threads = threads
        self._troubles = troubles
        self._public_url = public_url
        self._clock = clock
        self._patience = patience
        self._signing: dict[str, asyncio.Future[str]] = {}

    def base_url(self, scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Where a device reaches this server; arguments and errors as of `asked_at`."""
        return self._public_url or asked_at(scheme, headers)

    async def url(self, uri: str, base_url: str) -> str:
        """Where a device may read a file, for an hour at most.

        Args:
            uri: of the archive on its shelf, as its release has it.
            base_url: as of `base_url`.

        Raises:
            NotMinted: none can be made, or not now.
        """
        trouble, file = f"address of {uri}", uri.rpartition("/")[2]
        try:
            url = await self._signed(uri) if "://" in uri else self._own.url(uri, base_url, self._clock())
        except NotMinted as error:
            self._troubles.begin(trouble, f"devices get no address of {file}: {error}")
            raise
        self._troubles.end(trouble, f"devices get addresses of {file} again")
        return url

    def verify(self, path: str, expires: str, signature: str) -> None:
        """Lets a path be read; arguments and errors as of `OwnAddresses.verify`."""
        self._own.verify(path, expires, signature, self._clock())

    async def _signed(self, uri: str) -> str:
        """Of all that wait for one file, one thread asks: a service that hangs takes no more of them."""
        signing = self._signing.get(uri)
        if signing is None:
            signing = asyncio.get_running_loop().run_in_executor(
                self._threads, self._buckets.url, uri, "", self._clock()
            )
            self._signing[uri] = signing
            signing.add_done_callback(lambda done: self._signed_at_last(uri, done))
        try:
            return await asyncio.wait_for(asyncio.shield(signing), self._patience)
        except TimeoutError:
            raise NotMinted(f"the bucket's service has not signed it within {self._patience:g} s") from None

    def _signed_at_last(self, uri: str, done: asyncio.Future[str]) -> None:
        del self._signing[uri]
        if not done.cancelled():
            done.exception()  # who waited may be gone: nobody need have asked for it
