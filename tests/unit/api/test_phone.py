"""The page as a phone, by the API: who may have one, and where the page finds the edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.api.page_phone import websocket_url
from centralita.api.ports import ApiSettings
from tests.support.desk import Desk, open_desk

DEVICE = {"device": "browser-one"}
SETTINGS = ApiSettings(
    region="ES", version="1", recordings_dir=Path("/nowhere"), ws_port=5066, wss_port=7443
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, ws_port=5066, wss_port=7443) as desk:
        yield desk


async def test_an_agents_page_is_told_what_to_register_with(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    assert await ana.post("/me/phone", DEVICE) == {
        "extension": "101",
        "domain": "centralita",
        "password": "secret",
        "websocket": "ws://127.0.0.1:5066",
        "expires_at": "2026-01-05T12:00:00Z",
        "ice_servers": [],
    }
    assert desk.floor.pages == {"101": "browser-one"}
    await ana.delete("/me/phone")
    assert desk.floor.pages == {}


async def test_another_computer_is_asked_before_it_takes_over(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    await ana.post("/me/phone", DEVICE)
    answer = await ana.post("/me/phone", {"device": "browser-two"}, status=409)
    assert answer["error"]["code"] == "phone_elsewhere"
    await ana.post("/me/phone", {"device": "browser-two", "take_over": True})
    assert desk.floor.pages == {"101": "browser-two"}


async def test_a_page_that_leaves_and_comes_back_says_so(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    await ana.post("/me/phone/leave", status=204)
    await ana.post("/me/phone/return", status=204)
    assert (desk.floor.leaving, desk.floor.coming_back) == (["101"], ["101"])


async def test_who_is_no_agent_has_no_phone(desk: Desk) -> None:
    sol = await desk.sign_in("sol")
    await sol.post("/me/phone", DEVICE, status=403)
    await sol.post("/me/phone/return", status=403)
    await sol.delete("/me/phone", status=403)


async def test_without_a_way_to_the_edge_the_cure_is_named(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        ana = await desk.sign_in("ana")
        answer = await ana.post("/me/phone", DEVICE, status=409)
        assert answer["error"]["code"] == "needs_https"
        assert "wss_port" in answer["error"]["message"]


async def test_the_page_may_talk_to_the_edge_and_to_nobody_else(desk: Desk) -> None:
    answer = await desk.client.get("/healthz")
    policy = answer.headers["Content-Security-Policy"]
    assert "connect-src 'self' ws://127.0.0.1:5066;" in policy


@pytest.mark.parametrize(
    ("host", "https", "url"),
    [
        ("localhost:8080", False, "ws://127.0.0.1:5066"),
        ("127.0.0.1:8080", False, "ws://127.0.0.1:5066"),
        ("[::1]:8080", False, "ws://127.0.0.1:5066"),
        ("center.example.org", True, "wss://center.example.org:7443"),
        ("192.0.2.10:8443", True, "wss://192.0.2.10:7443"),
        # No browser gives such a page a microphone.
        ("192.0.2.10:8080", False, ""),
        ("evil.example.org; script-src *", True, ""),
    ],
)
def test_a_page_finds_the_edge_on_the_host_it_came_from(host: str, https: bool, url: str) -> None:
    assert websocket_url(SETTINGS, host, https=https) == url
