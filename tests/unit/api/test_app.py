"""Agents, queues, flows, health, pages: the rest of the application."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from centralita.api import openapi
from centralita.api import schemas as s
from centralita.api.endpoints import ENDPOINTS, PREFIX
from tests.support.desk import Desk, healthy, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>desk</title>")
    (web / "assets" / "main-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    async with open_desk(tmp_path, web_dir=web) as desk:
        yield desk


async def test_an_agent_chooses_only_the_own_status(desk: Desk) -> None:
    ana, sol = await desk.sign_in("ana"), await desk.sign_in("sol")
    chosen = await ana.post("/agents/agent_ana/status", {"status": "available"})
    assert chosen["status"] == "available"
    await ana.post("/agents/agent_leo/status", {"status": "available"}, status=403)
    await ana.post("/agents/agent_none/status", {"status": "available"}, status=403)
    await sol.post("/agents/agent_leo/status", {"status": "on_break", "reason": "talk"})
    await sol.post("/agents/agent_none/status", {"status": "available"}, status=404)
    shown = {agent["id"]: agent["status"] for agent in (await ana.get("/agents"))["items"]}
    assert shown == {"agent_ana": "available", "agent_leo": "on_break"}
    bad = await ana.post("/agents/agent_ana/status", {"status": "asleep"}, status=400)
    assert bad["error"]["place"] == "$.status"


async def test_wrap_up_is_ended_by_its_agent(desk: Desk) -> None:
    ana = await desk.sign_in("ana")
    await ana.post("/agents/agent_ana/wrap-up/finish", status=409)
    desk.floor.wrapping_up.add("agent_ana")
    await ana.post("/agents/agent_ana/wrap-up/extend", {"seconds": 30}, status=204)
    await ana.post("/agents/agent_ana/wrap-up/extend", {"seconds": 0}, status=400)
    await ana.post("/agents/agent_ana/wrap-up/finish", status=204)
    await ana.post("/agents/agent_leo/wrap-up/finish", status=403)


async def test_queues_show_their_agents_and_dispositions(desk: Desk) -> None:
    (queue,) = (await (await desk.sign_in("ana")).get("/queues"))["items"]
    assert queue["dispositions"] == ["sold", "calls back"]
    assert queue["agents"] == ["agent_ana", "agent_leo"]


async def test_a_flow_is_saved_checked_and_published_by_an_admin(desk: Desk) -> None:
    eva, sol = await desk.sign_in("eva"), await desk.sign_in("sol")
    good = {"document": {"start": "menu"}, "comment": "first"}
    refused = await eva.put("/flows/main", {"document": {}}, status=422)
    assert refused["problems"] == [{"place": "start", "message": "a flow needs a start node"}]
    assert (await eva.put("/flows/main", good, status=201))["version"] == 1
    await eva.put("/flows/main", {"document": {"start": "b"}}, status=201)
    await sol.put("/flows/main", good, status=403)
    published = await eva.post("/flows/main/publish", {"version": 1, "numbers": ["100"]})
    assert (published["published"], published["numbers"]) == (True, ["100"])
    assert [flow.version for flow in desk.floor.published_flows] == [1]
    versions = (await sol.get("/flows/main/versions"))["items"]
    assert [(v["version"], v["published"]) for v in versions] == [(2, False), (1, True)]
    assert (await sol.get("/flows/main/versions/1"))["document"] == {"start": "menu"}
    assert len((await sol.get("/flows"))["items"]) == 2
    await eva.post("/flows/main/publish", {"version": 9}, status=404)
    await eva.put("/flows/Bad Name", good, status=400)
    await sol.get("/flows/main/versions/99999999999999999999", status=400)
    await eva.put("/flows/other", good, status=201)
    await eva.post("/flows/other/publish", {"version": 1, "numbers": ["100"]}, status=409)


async def test_health_is_open_and_503_only_when_no_call_can_be_taken(desk: Desk) -> None:
    for status, code in (("ok", 200), ("degraded", 200), ("down", 503)):
        desk.floor.health = msgspec.structs.replace(healthy(), status=status)
        answer = await desk.client.get("/healthz")
        assert answer.status == code
        report = msgspec.convert(await answer.json(), s.Health)
        assert (report.status, report.worker.max_calls) == (status, 1000)


async def test_strangers_read_only_whether_each_part_of_the_house_works(tmp_path: Path) -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"),)
    async with open_desk(tmp_path, metrics_from=elsewhere) as desk:
        whole = healthy()
        away = s.Part(ok=False, message="OperationalError: /srv/secret", detail={"pending": 3})
        desk.floor.health = msgspec.structs.replace(whole, status="degraded", database=away)
        answer = await desk.client.get("/healthz", headers={"Authorization": "Bearer nonsense"})
        text = await answer.text()
        assert answer.status == 200
        assert not [word for word in ("secret", "pending", whole.version, "1000") if word in text]
        report = msgspec.json.decode(text, type=s.Health)
        assert (report.status, report.database.ok, report.asr.ok) == ("degraded", False, True)
        signed_in = {"Authorization": f"Bearer {(await desk.sign_in('ana')).token}"}
        answer = await desk.client.get("/healthz", headers=signed_in)
        assert "/srv/secret" in await answer.text()


async def test_metrics_answer_to_their_addresses_and_token(tmp_path: Path) -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"),)
    async with open_desk(tmp_path, metrics_from=elsewhere, metrics_token="m3") as desk:
        assert (await desk.client.get("/metrics")).status == 403
        wrong = await desk.client.get("/metrics", headers={"Authorization": "Bearer x"})
        assert wrong.status == 403
        right = await desk.client.get("/metrics", headers={"Authorization": "Bearer m3"})
        assert "centralita_calls_total 0.0" in await right.text()


async def test_metrics_answer_on_this_machine(desk: Desk) -> None:
    assert "centralita_calls_total" in await (await desk.client.get("/metrics")).text()


# --- pages --------------------------------------------------------------------------------------


async def test_the_page_is_served_for_its_own_routes(desk: Desk) -> None:
    for path in ("/", "/agent", "/customers/cus_1"):
        answer = await desk.client.get(path)
        assert "desk" in await answer.text()
        assert answer.headers["Cache-Control"] == "no-cache"
    script = await desk.client.get("/assets/main-1a2b.js")
    assert "javascript" in script.headers["Content-Type"]
    assert "immutable" in script.headers["Cache-Control"]
    for path in ("/missing.js", "/api/nothing", "/api"):
        assert (await desk.client.get(path)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/index.html%00.js",
    ],
)
async def test_no_path_leads_out_of_the_folder(desk: Desk, path: str) -> None:
    from yarl import URL

    base = str(desk.client.make_url("/")).rstrip("/")
    answer = await desk.client.session.get(URL(base + path, encoded=True))
    text = await answer.text()
    assert "secret" not in text
    assert "root:" not in text
    assert answer.status in (200, 404)


async def test_without_a_built_web_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        assert "./dev serve" in await (await desk.client.get("/")).text()


@pytest.mark.parametrize("path", ["/", "/api/v1/me", "/healthz", "/nothing.js", "/api/v1/calls"])
async def test_every_answer_carries_the_security_headers(desk: Desk, path: str) -> None:
    headers = (await desk.client.get(path)).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


async def test_answers_with_data_are_kept_by_nobody(desk: Desk) -> None:
    answer = await (await desk.sign_in("ana")).ask("GET", "/api/v1/customers")
    assert answer.headers["Cache-Control"] == "no-store"


# --- the document -------------------------------------------------------------------------------


async def test_the_openapi_document_is_served_and_current(desk: Desk) -> None:
    served = await (await desk.client.get("/api/v1/openapi.json")).json()
    assert served == openapi.document()
    assert openapi.main(["--check"]) == 0


def test_the_document_has_every_endpoint_and_no_dangling_reference() -> None:
    document = openapi.text()
    plain = msgspec.json.decode(document)
    for endpoint in ENDPOINTS:
        operation = plain["paths"][PREFIX + endpoint.path][endpoint.method.lower()]
        assert operation["operationId"] == endpoint.name
    names = {ref.split('"')[0] for ref in document.split("#/components/schemas/")[1:]}
    assert names <= set(plain["components"]["schemas"])
