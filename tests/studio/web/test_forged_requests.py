"""Who is not the studio's own page gets nothing, and changes nothing."""

from __future__ import annotations

import httpx
import pytest

from serving.access import Access
from studio.web.hosts import Hosts
from tests.studio.web.running_web import Web


def told(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/api/told", json={"a": 1}, headers=headers)


def test_the_page_itself_may_ask(web: Web) -> None:
    browser = web.browser()
    answer = told(browser, origin=web.url)
    assert answer.status_code == 200 and answer.json()["given"] == {"a": 1}


def test_without_the_word_nothing_is_changed(web: Web) -> None:
    browser = web.browser()
    del browser.headers["x-csrf-token"]
    answer = told(browser)
    assert answer.status_code == 403
    assert answer.json()["error"]["word"] == "forbidden" and "reload" in answer.json()["error"]["line"]


def test_the_word_of_another_session_is_none(web: Web) -> None:
    browser, other = web.browser(), web.browser()
    browser.headers["x-csrf-token"] = other.headers["x-csrf-token"]
    assert told(browser).status_code == 403


def test_without_a_cookie_the_word_is_none(web: Web) -> None:
    browser = web.browser()
    browser.cookies.clear()
    assert told(browser).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://[", ""])
def test_another_origin_changes_nothing(web: Web, origin: str) -> None:
    browser = web.browser()
    del browser.headers["sec-fetch-site"]
    assert told(browser, origin=origin).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_another_site_changes_nothing(web: Web, site: str) -> None:
    assert told(web.browser(), **{"sec-fetch-site": site}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_reads_nothing(web: Web, site: str) -> None:
    assert web.http.get("/api/state", headers={"sec-fetch-site": site}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:x", "", "a b"]
)
def test_a_name_that_somebody_points_here_is_refused(web: Web, host: str) -> None:
    answer = web.http.get("/api/state", headers={"host": host})
    assert answer.status_code == 403 and answer.json()["error"]["word"] == "forbidden"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:99", "127.0.0.2:8700", "localhost."])
def test_names_of_this_machine_are_meant(host: str) -> None:
    assert Hosts(Access()).is_meant(host)


def test_the_host_that_was_given_is_meant_and_no_other() -> None:
    hosts = Hosts(Access(host="studio.example"))
    assert hosts.is_meant("studio.example:8700") and hosts.is_meant("Studio.Example")
    assert not hosts.is_meant("other.example") and not hosts.is_meant("10.0.0.1")


def test_where_all_addresses_are_listened_at_an_address_is_meant_and_a_name_is_not() -> None:
    hosts = Hosts(Access(host="0.0.0.0"))
    assert hosts.is_meant("10.0.0.1:8700") and hosts.is_meant("[fe80::1]:8700")
    assert not hosts.is_meant("studio.example")


def test_where_a_token_is_wanted_any_name_may_lead_here() -> None:
    assert Hosts(Access(host="0.0.0.0", tokens=("t" * 16,))).is_meant("studio.example")


def test_a_link_from_another_site_does_not_make_another_browser_of_this_one(web: Web) -> None:
    answer = web.http.get("/", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200 and "url=/" in answer.text
    assert "set-cookie" not in answer.headers


def test_no_address_of_the_page_gives_another_site_a_session_to_put_in_the_place_of_ours(web: Web) -> None:
    for path in ("/?here", "/?", "/?a=b"):
        answer = web.http.get(path, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 200 and "set-cookie" not in answer.headers


def test_methods_that_are_not_there_are_not_found_in_json(web: Web) -> None:
    answer = web.browser().delete("/api/nothing")
    assert answer.status_code == 404 and answer.json()["error"]["word"] == "not_found"
