"""Whatever a message holds, it is a request, a dead letter or skipped, and no path leads out of its prefix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apache_beam.io import PubsubMessage
from apache_beam.pvalue import TaggedOutput
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ImageError
from models.images.paths import resolve_image_path
from models.records import DeadLetter, ImageRequest
from transforms.messages import ParseMessage
from transforms.process import JobRun

ATTRIBUTES = st.dictionaries(
    st.one_of(st.sampled_from(["eventType", "bucketId", "objectId", "payloadFormat"]), st.text(max_size=10)),
    st.one_of(st.sampled_from(["OBJECT_FINALIZE", "OBJECT_DELETE"]), st.text(max_size=20)),
    max_size=5,
)
PIECES = [
    "/",
    "..",
    ".",
    "img",
    "secret",
    "link",
    "%2e%2e",
    "gs://",
    "bucket",
    "file://",
    "*",
    "~",
    "\0",
    "\n",
    "://",
    ":",
]
PATHS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@given(st.one_of(st.binary(max_size=60), PATHS.map(lambda path: path.encode(errors="surrogatepass"))), ATTRIBUTES)
def test_a_message_is_a_request_a_dead_letter_or_skipped(data: bytes, attributes: dict[str, str]) -> None:
    outputs = list(ParseMessage(JobRun("fuzz")).process(PubsubMessage(data, attributes)))
    skipped = {"eventType", "bucketId", "objectId"} <= attributes.keys()
    skipped = skipped and attributes["eventType"] != "OBJECT_FINALIZE"
    assert len(outputs) == (0 if skipped else 1)
    for output in outputs:
        if isinstance(output, TaggedOutput):
            assert isinstance(output.value, DeadLetter)
            assert json.dumps(output.value.to_json())
        else:
            assert isinstance(output, ImageRequest)
            assert output.image.strip()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paths").resolve()
    for name in ("img/cat.png", "img/img/img", "secret", "imgs/secret"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "img/link").symlink_to(root / "secret")
    return root


@given(PATHS, st.booleans())
def test_no_path_leads_out_of_its_prefix(root: Path, path: str, below: bool) -> None:
    image = f"{root}/img/{path}" if below else path
    try:
        resolved = resolve_image_path(image, [f"{root}/img", "gs://bucket/img"])
    except ImageError as error:
        assert error.detail.isprintable()
    else:
        if resolved.startswith("gs://"):
            assert resolved.startswith("gs://bucket/img")
        else:
            assert Path(resolved).resolve().is_relative_to(root / "img")
            assert Path(resolved).is_file()
