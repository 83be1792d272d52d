"""An address of an archive is of one server, for one file, and dies within the hour."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.addresses import (
    LIFETIME_SECONDS,
    RETRY_SECONDS,
    STEP_SECONDS,
    AddressRefused,
    BucketAddresses,
    NotMinted,
    OwnAddresses,
    ShelfAddresses,
    path_of,
)
from models.storage.errors import StorageUnavailable

KEY = bytes(range(32))
BASE = "http://fleet.example:8600"
FILE = "animals/1.0.0/animals-1.0.0-linux-x86_64.zip"
PATH = f"/components/{FILE}"
NOW = 1_800_000_123.4


class CountingStorage:
    """Signs each time otherwise, or not at all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.trouble: Exception | None = None

    def address(self, uri: str, seconds: int) -> str:
        self.asked.append((uri, seconds))
        if self.trouble:
            raise self.trouble
        return f"https://bucket.example/{len(self.asked)}"


def parts_of(address: str) -> tuple[str, str, str]:
    """Path, expires and signature, as a server reads them off a request."""
    url = urlsplit(address)
    query = parse_qs(url.query)
    return url.path, query["expires"][0], query["signature"][0]


class TestOwn:
    def test_what_was_minted_is_let_in(self) -> None:
        address = OwnAddresses(KEY).mint(PATH, BASE, NOW)

        assert address.startswith(f"{BASE}{PATH}?")
        OwnAddresses(KEY).verify(*parts_of(address), NOW)

    def test_a_server_below_a_path_of_another_mints_what_it_is_asked_for(self) -> None:
        """The proxy before it takes its own path away."""
        address = OwnAddresses(KEY).mint(PATH, "https://example.com/fleet/", NOW)

        assert address.startswith(f"https://example.com/fleet{PATH}?")
        _, expires, signature = parts_of(address)
        OwnAddresses(KEY).verify(PATH, expires, signature, NOW)

    @given(st.floats(0, 4e9))
    def test_it_dies_within_the_hour_and_not_soon(self, now: float) -> None:
        _, expires, _ = parts_of(OwnAddresses(KEY).mint(PATH, BASE, now))

        assert now + LIFETIME_SECONDS - STEP_SECONDS < int(expires) + 1
        assert int(expires) <= now + LIFETIME_SECONDS

    def test_it_lives_until_its_time_and_no_longer(self) -> None:
        parts = parts_of(OwnAddresses(KEY).mint(PATH, BASE, NOW))
        end = int(parts[1])

        OwnAddresses(KEY).verify(*parts, end - 0.001)
        with pytest.raises(AddressRefused, match="is over"):
            OwnAddresses(KEY).verify(*parts, end)

    def test_those_of_a_few_minutes_are_equal(self) -> None:
        start = NOW // STEP_SECONDS * STEP_SECONDS
        own = OwnAddresses(KEY)

        assert own.mint(PATH, BASE, start) == own.mint(PATH, BASE, start + STEP_SECONDS - 1)
        assert own.mint(PATH, BASE, start) != own.mint(PATH, BASE, start + STEP_SECONDS)

    def test_another_file_another_time_and_another_key_are_refused(self) -> None:
        path, expires, signature = parts_of(OwnAddresses(KEY).mint(PATH, BASE, NOW))

        for forged in (
            (path.replace("1.0.0", "1.0.1"), expires, signature),
            (path, str(int(expires) + 1), signature),
            (path, expires, f"{int(signature[0], 16) ^ 1:x}{signature[1:]}"),
        ):
            with pytest.raises(AddressRefused, match="was not made by this server for this file"):
                OwnAddresses(KEY).verify(*forged, NOW)
        with pytest.raises(AddressRefused):
            OwnAddresses(bytes(32)).verify(path, expires, signature, NOW)

    @pytest.mark.parametrize(
        ("path", "expires", "signature"),
        [
            (PATH, "", "0" * 64),
            (PATH, "9" * 5000, "0" * 64),
            (PATH, "-1", "0" * 64),
            (PATH, "1e9", "0" * 64),
            (PATH, "٣٣", "0" * 64),
            (PATH, "01800000000", "0" * 64),
            (PATH, "1800000000\n", "0" * 64),
            (PATH, "1800000000", ""),
            (PATH, "1800000000", "0" * 65),
            (PATH, "1800000000", "A" * 64),
            (PATH, "1800000000", "ä" * 64),
            ("/components/../../etc/passwd", "1800000000", "0" * 64),
            ("/components/a/b/..", "1800000000", "0" * 64),
            ("/components/a/b/c/d", "1800000000", "0" * 64),
            ("/components/a/b/" + "c" * 5000, "1800000000", "0" * 64),
            ("/twins/robot-7", "1800000000", "0" * 64),
            (f"{PATH}\n", "1800000000", "0" * 64),
        ],
    )
    def test_what_no_server_minted_is_refused_by_its_form(self, path: str, expires: str, signature: str) -> None:
        with pytest.raises(AddressRefused, match="no address of this server"):
            OwnAddresses(KEY).verify(path, expires, signature, NOW)

    @given(st.text(), st.text(), st.text())
    def test_nothing_that_a_stranger_makes_up_is_let_in(self, path: str, expires: str, signature: str) -> None:
        with pytest.raises(AddressRefused) as refused:
            OwnAddresses(KEY).verify(path, expires, signature, NOW)
        assert str(refused.value).isprintable()

    @pytest.mark.parametrize("path", ["", "/components/a/b", f"{PATH}/../x", f"{PATH}?x", "/components/a/b/.hidden"])
    def test_no_other_path_is_signed(self, path: str) -> None:
        with pytest.raises(NotMinted, match="NAME/VERSION/FILE"):
            OwnAddresses(KEY).mint(path, BASE, NOW)

    @pytest.mark.parametrize(
        "base", ["", "fleet:8600", "ftp://fleet", "http://", "http://fleet/?a=b", "http://fleet#a"]
    )
    def test_an_address_begins_where_a_server_is_reached(self, base: str) -> None:
        with pytest.raises(NotMinted, match="http://HOST:PORT"):
            OwnAddresses(KEY).mint(PATH, base, NOW)

    def test_a_key_that_could_be_guessed_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            OwnAddresses(b"secret")

    @pytest.mark.parametrize("uri", [f"/var/shelf/{FILE}", f"shelf/{FILE}", FILE])
    def test_an_archive_has_one_path_wherever_its_shelf_is(self, uri: str) -> None:
        assert path_of(uri) == PATH

    @pytest.mark.parametrize("uri", ["", "x.zip", "/x.zip", "1.0.0/x.zip", "/a/../x.zip", "shelf/a b/1.0.0/x.zip"])
    def test_what_is_on_no_shelf_has_none(self, uri: str) -> None:
        with pytest.raises(NotMinted, match="is on no shelf"):
            path_of(uri)


class TestBuckets:
    def test_the_service_is_asked_for_an_hour_at_most(self) -> None:
        storage = CountingStorage()
        BucketAddresses(storage).url("s3://bucket/x.zip", BASE, NOW)

        assert storage.asked == [("s3://bucket/x.zip", LIFETIME_SECONDS)]

    def test_one_signature_serves_whoever_asks_within_a_few_minutes(self) -> None:
        storage = CountingStorage()
        addresses = BucketAddresses(storage)
        first = [addresses.url("s3://bucket/x.zip", BASE, NOW + second) for second in range(0, STEP_SECONDS, 10)]
        other = addresses.url("s3://bucket/y.zip", BASE, NOW)
        later = addresses.url("s3://bucket/x.zip", BASE, NOW + STEP_SECONDS)

        assert set(first) == {"https://bucket.example/1"}
        assert (other, later) == ("https://bucket.example/2", "https://bucket.example/3")

    def test_a_clock_that_was_set_back_makes_none_live_longer(self) -> None:
        addresses = BucketAddresses(CountingStorage())
        first = addresses.url("s3://bucket/x.zip", BASE, NOW)

        assert addresses.url("s3://bucket/x.zip", BASE, NOW - 7200) != first

    def test_those_of_many_files_are_not_kept_for_ever(self) -> None:
        storage = CountingStorage()
        addresses = BucketAddresses(storage)
        for number in range(2000):
            addresses.url(f"s3://bucket/{number}.zip", BASE, NOW)
        addresses.url("s3://bucket/0.zip", BASE, NOW)
        addresses.url("s3://bucket/1999.zip", BASE, NOW)

        assert len(storage.asked) == 2001

    def test_why_there_is_none_is_told_in_one_line_and_soon_asked_again(self) -> None:
        storage = CountingStorage()
        addresses = BucketAddresses(storage)
        storage.trouble = StorageUnavailable("no\nkey")
        for second in range(RETRY_SECONDS):
            with pytest.raises(NotMinted, match=r"^no key$"):
                addresses.url("s3://bucket/x.zip", BASE, NOW + second)
        assert len(storage.asked) == 1

        storage.trouble = None
        assert addresses.url("s3://bucket/x.zip", BASE, NOW + RETRY_SECONDS) == "https://bucket.example/2"


def test_folders_are_sent_by_the_server_and_buckets_by_their_own() -> None:
    addresses = ShelfAddresses(OwnAddresses(KEY), BucketAddresses(CountingStorage()))

    assert addresses.url(f"/var/shelf/{FILE}", BASE, NOW).startswith(f"{BASE}{PATH}?")
    assert addresses.url(f"s3://shelf/{FILE}", BASE, NOW) == "https://bucket.example/1"
