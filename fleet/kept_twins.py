"""Where a fleet's settings say that twins are kept: in its database, or in an IoT hub."""

from __future__ import annotations

import time

from fleet.addresses import BucketAddresses, NotMinted, OwnAddresses, ShelfAddresses
from fleet.azure_twins import open_twins
from fleet.errors import StoreUnusable
from fleet.releases import Releases
from fleet.settings import Settings
from fleet.store.database import Database
from fleet.twin_store import SqlTwins, TwinStore
from models.components.twin import DesiredModel
from models.storage.schemes import AnyStorage


def kept_twins(database: Database, storage: AnyStorage) -> TwinStore:
    """Twins as the settings say; to be handed to `Fleet`.

    Args:
        database: the fleet's.
        storage: signs addresses in buckets, which go into the twins of a hub.

    Raises:
        StoreUnusable: the database does not answer, or the hub cannot be asked.
    """
    settings = Settings(database)
    hub = settings.twins()
    if hub is None:
        return SqlTwins(database)
    releases, base_url = Releases(database), settings.public_url() or ""
    addresses = ShelfAddresses(OwnAddresses(settings.url_key()), BucketAddresses(storage))

    def address(model: DesiredModel) -> str:
        uri = releases.uri_of(model.name, model.sha256)
        try:
            return "" if uri is None else addresses.url(uri, base_url, time.time())
        except NotMinted as error:
            raise StoreUnusable(str(error)) from error

    return open_twins(hub, address)
