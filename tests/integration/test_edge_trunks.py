"""The edge and its trunks: how they call us, and how we register and answer their challenges."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.edge import RunningEdge, edge_config, running_edge
from tests.support.provider import USERNAME, Provider
from tests.support.sip import SDP, Message, Party, listening_party, udp_party


@asynccontextmanager
async def trunk_edge(
    tmp_path: Path, **more: object
) -> AsyncIterator[tuple[RunningEdge, Provider, Party]]:
    """An edge that registers with a provider, and its worker."""
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(provider.trunk(**more),))
        async with running_edge(config) as edge:
            provider.meets(edge)
            yield edge, provider, worker


# ---- calls that come in ----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["its own", "another"])
async def test_a_registrar_calls_our_contact_with_the_number_in_to(
    tmp_path: Path, source: str
) -> None:
    async with trunk_edge(tmp_path) as (_, provider, worker), udp_party("127.0.0.9") as gateway:
        contact = await provider.registers_us()
        caller = provider.party if source == "its own" else gateway

        async def dialled(uri: str, to: str) -> Message:
            caller.send(caller.request("INVITE", uri, to=to, body=SDP), provider.edge)
            invite = await worker.receive_request("INVITE")
            assert invite["x-centralita-trunk"] == "acme"
            worker.send(worker.answer(invite, 486, "Busy Here"), provider.edge)
            return invite

        invite = await dialled(contact, "sip:+34911234567@acme.example")
        assert invite.uri.startswith("sip:+34911234567@")
        # without a number the account is what was dialled
        invite = await dialled(contact, contact)
        assert invite.uri.startswith(f"sip:{USERNAME}@")
        if source == "its own":
            uri = re.sub(r"^sip:[^@]+", "sip:+34911234568", contact)
            invite = await dialled(uri, "sip:+34911234567@acme.example")
            assert invite.uri.startswith("sip:+34911234568@")


@pytest.mark.parametrize(
    ("number_from", "number"),
    [("auto", "1"), ("uri", "1"), ("to", "2"), ("p-called-party-id", "3")],
)
async def test_the_number_is_read_where_the_trunk_writes_it(
    tmp_path: Path, number_from: str, number: str
) -> None:
    async with trunk_edge(tmp_path, number_from=number_from) as (_, provider, worker):
        party = provider.party
        text = party.request(
            "INVITE",
            f"sip:1@127.0.0.1:{provider.edge[1]}",
            to="sip:2@acme.example",
            extra='P-Called-Party-ID: "Main" <sip:3@acme.example>;x=y',
            body=SDP,
        )
        party.send(text, provider.edge)
        invite = await worker.receive_request("INVITE")
        assert invite.uri.startswith(f"sip:{number}@")


async def test_the_name_we_register_under_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        provider = Provider(party)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(provider.trunk(),))
        contacts = []
        for _ in range(2):
            async with running_edge(config) as edge:
                provider.meets(edge)
                contacts.append(await provider.registers_us())
        assert contacts[0] == contacts[1]
        assert re.match(r"sip:acme-[0-9a-f]{24}@", contacts[0])


async def test_a_registrar_on_tcp_is_told_to_call_by_tcp(tmp_path: Path) -> None:
    async with udp_party() as worker, listening_party("127.0.0.3") as party:
        provider = Provider(party)
        trunk = provider.trunk(transport="tcp")
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            provider.meets(edge)
            contact = await provider.registers_us()
            assert contact.endswith(f"@127.0.0.1:{edge.address[1]};transport=tcp")
