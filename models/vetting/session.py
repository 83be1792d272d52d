"""A vetter for one program that looks at models and ends: with the user's cache, and no child left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from models.artefacts import DEFAULT_MAX_VALUES, EngineChoice
from models.confinement import proving
from models.errors import CacheUnusable
from models.registry.cache import cache_of_user
from models.registry.forms import CompiledForms
from models.signatures.trusted import read_trusted
from models.storage import Storage
from models.vetting.vetter import Vetter


@contextmanager
def vetting(
    storage: Storage,
    engine: EngineChoice,
    max_batch_size: int,
    max_values: int = DEFAULT_MAX_VALUES,
    require_confinement: bool = False,
    trusted_key: Iterable[str] = (),
    forms: CompiledForms | None = None,
) -> Iterator[Vetter]:
    """A vetter with the user's cache of compiled models, the job's own; its children end with the block.

    Args:
        storage: where the candidates' bytes are.
        engine: the one that the user asked for.
        max_batch_size: the largest batch in use.
        max_values: see `Vetter`.
        require_confinement: whether to refuse where a model could come through to the machine.
        trusted_key: files of keys and certificates; a model that none of these signed is rejected.
        forms: see `Vetter`.

    Raises:
        KeyUnusable: one of `trusted_key` is none.
        NotConfined: see `require_confinement`.
        CacheUnusable: the cache cannot be written, or the disk is full.
    """
    if require_confinement:
        proving.require_confinement()
    pems = read_trusted(storage, trusted_key or ())
    cache = cache_of_user()
    vetter = Vetter(storage, cache, engine, max_batch_size, forms=forms, max_values=max_values, trusted=pems)
    try:
        yield vetter
    except OSError as error:  # of this machine's disk; those of the storage are told apart before they come here
        raise CacheUnusable(f"vetting in {cache.folder} failed: {error.strerror or error}") from error
    finally:
        vetter.close()
