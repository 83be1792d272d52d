"""Serves the newest model of a pattern and prints what it says of one image: `PATTERN IMAGE CACHE_FOLDER`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from models.answering import answers
from models.images.decoding import DecodeLimits, decode_image
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.tasks import Ranked

if __name__ == "__main__":
    pattern, image, cache = sys.argv[1:]
    config = ServingConfig(pattern, poll_seconds=0.1, max_batch_size=2, cache_folder=cache)
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        statement = serving.watch.wait_for_statement()
        assert statement is not None
        serving.live.follow(statement)
        raster = decode_image(Path(image).read_bytes(), limits=DecodeLimits())
        [answer] = answers(serving.live.current(), [raster])
    assert isinstance(answer, Ranked), answer
    print(answer.top[0].label)
