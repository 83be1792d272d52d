"""Where a token is wanted, nobody comes in without, and guessing shuts nobody else out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.access import Access
from studio.web.guesses import Guesses
from tests.studio.web.running_web import Web, running_web
from tests.studio.web.small_parts import small_parts

TOKEN = "a-token-that-is-long"
PAGE = {"sec-fetch-site": "same-origin"}


class Stopwatch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def closed(page: Path, stopwatch: Stopwatch) -> Iterator[Web]:
    """A studio that wants a token."""
    with running_web(small_parts(page), Access(tokens=(TOKEN,)), Guesses(3, 5, stopwatch)) as running:
        yield running


def logged_in(web: Web, token: str = TOKEN) -> tuple[httpx.Client, httpx.Response]:
    client = httpx.Client(base_url=web.url, timeout=30, headers=PAGE)
    return client, client.post("/login", data={"token": token})


def test_the_page_leads_to_the_login_and_nothing_is_told(closed: Web) -> None:
    answer = closed.http.get("/")
    assert answer.status_code == 303 and answer.headers["location"] == "/login"
    told = closed.http.get("/api/state")
    assert told.status_code == 401 and told.json()["error"]["word"] == "login_needed"
    assert 'name="token"' in closed.http.get("/login").text


def test_a_token_opens_the_page_for_the_session(closed: Web) -> None:
    client, answer = logged_in(closed)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert client.get("/").status_code == 200
    csrf = client.get("/api/state").json()["csrf"]
    assert client.post("/api/told", json={}, headers={"x-csrf-token": csrf}).status_code == 200


def test_a_browser_says_which_page_sends_the_form(closed: Web) -> None:
    assert closed.http.get("/login").headers["referrer-policy"] == "same-origin"
    null = {**PAGE, "origin": "null"}
    assert httpx.post(f"{closed.url}/login", data={"token": TOKEN}, headers=null).status_code == 303


def test_another_site_cannot_log_a_browser_in(closed: Web) -> None:
    headers = {"sec-fetch-site": "cross-site", "origin": "http://evil.example"}
    answer = closed.http.post("/login", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("form", [b"", b"token=", b"token=wrong", b"token=%ff", b"a=1&b=2&c=3&d=4&e=5", b"\xff"])
def test_a_wrong_token_lets_nobody_in(closed: Web, form: bytes) -> None:
    answer = closed.http.post("/login", content=form, headers=PAGE)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert answer.json()["error"]["word"] == "login_needed"


def test_a_form_without_scripts_is_told_on_the_form(closed: Web) -> None:
    answer = closed.http.post("/login", data={"token": "wrong"}, headers={**PAGE, "accept": "text/html,*/*"})
    assert answer.status_code == 401 and '<p role="alert">this is no token of this studio</p>' in answer.text


def test_one_client_hears_of_few_wrong_tokens_in_a_minute(closed: Web, stopwatch: Stopwatch) -> None:
    heard = [logged_in(closed, "wrong")[1] for _ in range(5)]
    assert [each.status_code for each in heard] == [401, 401, 401, 429, 429]
    assert heard[-1].headers["retry-after"] == "60"
    assert closed.http.get("/api/state", headers={"authorization": "Bearer wrong"}).status_code == 429
    stopwatch.now += 61
    assert logged_in(closed, "wrong")[1].status_code == 401


def test_a_right_token_is_let_in_whatever_others_try(closed: Web) -> None:
    for _ in range(20):
        logged_in(closed, "wrong")
    assert closed.http.get("/api/state", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert logged_in(closed)[1].status_code == 303


def test_many_places_together_hear_of_few_too(stopwatch: Stopwatch) -> None:
    guesses = Guesses(of_one=3, of_all=5, stopwatch=stopwatch)
    assert [guesses.was_wrong(f"10.0.0.{number}") for number in range(7)] == [0.0] * 5 + [60.0] * 2


def test_addresses_of_one_network_are_one_client(stopwatch: Stopwatch) -> None:
    guesses = Guesses(of_one=3, of_all=100, stopwatch=stopwatch)
    for number in range(3):
        guesses.was_wrong(f"2001:db8::{number}")
    assert guesses.was_wrong("2001:db8::ffff") and not guesses.was_wrong("2001:db8:1::1")


def test_a_program_bears_the_token_and_needs_no_word(closed: Web) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = closed.http.post("/api/told", json={}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["browser"] == closed.http.get("/api/state", headers=headers).json()["browser"]
    assert closed.http.get("/api/state", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert closed.http.get("/api/state", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


def test_where_no_token_is_wanted_the_login_leads_to_the_page(web: Web) -> None:
    answer = web.http.get("/login")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert web.http.post("/login", data={"token": ""}, headers=PAGE).status_code == 401
