"""The database is pulled out while the page is open: drawing goes on, and a correction is kept once it is back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.studio_page import StudioPage
from tests.databases.postgresql import PostgreSQL, postgresql_server
from tests.studio.browser.conftest import Begin
from tests.studio.browser.watching import watched_page
from tests.waiting import eventually

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

ZERO = Handwriting(0)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs until these tests end."""
    with postgresql_server() as server:
        yield server


@contextmanager
def nobody_comes_in(server: PostgreSQL) -> Iterator[None]:
    """A server that throws all clients out and is not found by any while the block runs."""
    away = server.folder / "away"
    away.mkdir()
    socket = ".s.PGSQL.5432"
    (server.folder / socket).rename(away / socket)
    try:
        with psycopg.connect(host=str(away), user=server.user, dbname="postgres", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        yield
    finally:
        (away / socket).rename(server.folder / socket)
        away.rmdir()


def test_drawing_goes_on_and_a_correction_is_kept_once_the_database_is_back(
    browser: Browser, begin: Begin, postgresql: PostgreSQL
) -> None:
    studio = begin("--database", postgresql.new_database())
    with watched_page(browser, studio) as page:
        page.draw(ZERO.strokes(1))
        page.correct(0)
        with nobody_comes_in(postgresql):
            assert page.draw(ZERO.strokes(2)).digit == 0
            refused(page)
        eventually(lambda: total(page) == 2, "the correction that was not kept at first")
        page.until("corrections-total", "2")


def test_a_database_file_that_is_locked_is_told_and_loses_nothing(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio) as page:
        assert page.draw(ZERO.strokes(1)).digit == 0
        holder = sqlite3.connect(studio.folder / "studio.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            refused(page)
            assert page.draw(ZERO.strokes(2)).digit == 0
        finally:
            holder.rollback()
            holder.close()
        eventually(lambda: total(page) == 1, "the correction that was not kept at first")
        page.until("corrections-total", "1")


def total(page: StudioPage) -> int:
    """Corrections that the studio knows; -1 while it cannot know."""
    told = page.page.request.get(f"{page.address}/api/state").json()["corrections"]
    return -1 if told is None else int(told["total"])


def refused(page: StudioPage) -> None:
    """Taps on the right digit, and reads why it is not kept yet."""
    with page.page.expect_response(lambda response: response.url.endswith("/correction")) as told:
        page.part("correct-0").click()
    assert told.value.status == 503
    error = told.value.json()["error"]
    assert error["word"] == "database_unavailable"
    expect(page.part("correct-line")).to_contain_text(error["line"].rstrip("."), ignore_case=True)
