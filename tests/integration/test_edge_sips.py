"""Phones and trunks that write sips: over TLS."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from centralita.telephony.edge.config import EdgeTrunk
from tests.support.edge import edge_config, phone, running_edge
from tests.support.sip import SDP, stream_party, udp_party


@pytest.mark.parametrize("secure", [True, False], ids=["sips", "sip"])
async def test_a_call_to_a_sips_uri_by_tls_is_taken_and_ended_as_any_other(
    tmp_path: Path, secure: bool
) -> None:
    trunk = EdgeTrunk(name="acme", addresses=("127.0.0.2",))
    scheme = "sips" if secure else "sip"
    async with udp_party() as worker:
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with (
            running_edge(config) as edge,
            stream_party(edge.tls_address, tls=True, host="127.0.0.2") as caller,
        ):
            host, port = caller.local
            more = "" if secure else ";transport=tls"
            text = caller.request("INVITE", f"{scheme}:100@centralita", body=SDP)
            text = re.sub(
                r"(?m)^Contact: .*\r$", f"Contact: <{scheme}:x@{host}:{port}{more}>\r", text
            )
            caller.send(text)
            invite = await worker.receive_request("INVITE")
            # A worker knows no sips:, and need not.
            assert invite.uri == "sip:100@centralita"
            assert invite["contact"].startswith(f"<sip:x@{host}:{port};transport=tls")
            worker.send(worker.answer(invite, 200, "OK", body=SDP), edge.address)
            ok = await caller.receive_answer("INVITE")
            assert ok.status == 200
            # RFC 3261 12.1.1: who said sips: is to be told sips:.
            assert ok["contact"].startswith(f"<{scheme}:")
            routes = "\r\n".join(f"Route: {route}" for route in ok.all("record-route")[::-1])
            target = re.search(r"<([^>]+)>", ok["contact"])
            assert target is not None
            bye = caller.request("BYE", target[1], extra=routes)
            bye = re.sub(r"(?m)^To: .*\r$", f"To: {ok['to']}\r", bye)
            bye = re.sub(r"(?m)^From: .*\r$", f"From: {ok['from']}\r", bye)
            bye = re.sub(r"(?m)^Call-ID: .*\r$", f"Call-ID: {ok['call-id']}\r", bye)
            caller.send(re.sub(r"(?m)^CSeq: .*\r$", "CSeq: 99 BYE\r", bye))
            heard = await worker.receive_request("BYE")
            assert heard.uri.startswith("sip:")
            worker.send(worker.answer(heard, 200, "OK"), edge.address)
            assert (await caller.receive_answer("BYE")).status == 200


async def test_a_phone_that_answers_with_a_sips_contact_is_reached_by_its_connection(
    tmp_path: Path,
) -> None:
    async with udp_party() as worker:
        config = edge_config(tmp_path, [worker.local])
        async with (
            running_edge(config, [phone("201", "secret")]) as edge,
            stream_party(edge.tls_address, tls=True) as agent,
        ):
            assert (await agent.register(edge.tls_address, "201", "secret"))[1].status == 200
            worker.send(worker.request("INVITE", "sip:201@centralita", body=SDP), edge.address)
            invite = await agent.receive_request("INVITE")
            answer = agent.answer(invite, 200, "OK", body=SDP)
            agent.send(re.sub(r"(?m)^Contact: <sip:", "Contact: <sips:", answer))
            ok = await worker.receive_answer("INVITE")
            assert ok["contact"].startswith("<sip:") and ";transport=tls" in ok["contact"]
