"""On which side a correction lies: models learn from the one, and are judged by the other."""

from __future__ import annotations

from sqlalchemy import Connection, func, not_, select

from models.errors import ImageError, one_line
from models.images.decoding import DecodeLimits, decode_image
from models.images.fitting import fit_image
from studio.errors import StudioRefused, Trouble
from studio.retraining.corrections import digest_of
from studio.retraining.digits import SIDE
from studio.store.tables import corrections

_LIMITS = DecodeLimits(max_bytes=4 << 20, max_pixels=1 << 24)
_UNSEEN_ONE_IN = 3


def pixels_digest(png: bytes) -> bytes:
    """The SHA-256 of what a model is shown of a drawing, as retraining knows it.

    Args:
        png: anybody's bytes.

    Raises:
        StudioRefused: `BAD_DRAWING`, it is no image.
    """
    try:
        raster = decode_image(png, limits=_LIMITS, needed=(SIDE, SIDE))
    except ImageError as error:
        raise StudioRefused(Trouble.BAD_DRAWING, f"the drawing cannot be read: {one_line(error)}") from error
    return digest_of(fit_image(raster, SIDE, SIDE, "stretch", 1)[..., 0])


def is_unseen(connection: Connection, pixels: bytes, label: int, answer: str | None) -> bool:
    """The side of a new correction, in a transaction of `Database.deciding`.

    What has the same pixels keeps its side for ever, also where it was taken back meanwhile: a model may have learnt
    from it. Else, of each label, and apart for what was read right and what was not: seen, unseen, seen, seen, unseen,
    seen, seen, unseen … So the first misread drawing of a digit is learnt from, however often it was read right.

    Args:
        pixels: as of `pixels_digest`.
        label: 0 to 9.
        answer: what was said of it; None where nothing was.
    """
    known = select(corrections.c.unseen).where(corrections.c.pixels == pixels).limit(1)
    side = connection.execute(known).scalar_one_or_none()
    if side is not None:
        return bool(side)
    was_right = func.coalesce(corrections.c.answer, "") == str(label)
    alike = was_right if answer == str(label) else not_(was_right)
    counted = (
        select(corrections.c.unseen, func.count(corrections.c.pixels.distinct()))
        .where(corrections.c.label == label, corrections.c.taken_back.is_(None), alike)
        .group_by(corrections.c.unseen)
    )
    many = {bool(unseen): count for unseen, count in connection.execute(counted)}
    seen, unseen = many.get(False, 0), many.get(True, 0)
    # Of n the (n + 1) // 3 unseen, so that what was taken back is made up for.
    return bool(unseen < (seen + unseen + 2) // _UNSEEN_ONE_IN)
