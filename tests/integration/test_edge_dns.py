"""The edge and names: SRV records, and a DNS that is silent. With a name server of our own, which
Kamailio finds in a resolv.conf of its own (a mount namespace)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from centralita.telephony.edge.config import EdgeRegistration, EdgeTrunk
from tests.support.dns import NameServer, name_server
from tests.support.edge import RunningEdge, edge_config, running_edge
from tests.support.provider import PASSWORD, USERNAME, Provider
from tests.support.sip import SDP, Party, udp_party

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a resolv.conf of one's own needs root")
# Port 53 is all that a resolv.conf can say.
_SERVER = ("127.0.0.54", 53)


@dataclass
class Named:
    """An edge whose trunk has a name without a port, and all that is around it."""

    edge: RunningEdge
    provider: Provider
    worker: Party
    names: NameServer


@contextlib.asynccontextmanager
async def named(tmp_path: Path) -> AsyncIterator[Named]:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver {_SERVER[0]}\n")
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        hosts = {"sip1.acme.test": "127.0.0.3"}
        services = {"_sip._udp.acme.test": [(10, 0, party.local[1], "sip1.acme.test")]}
        account = EdgeRegistration(
            registrar="acme.test", port=0, username=USERNAME, password=PASSWORD
        )
        trunk = EdgeTrunk(name="acme", proxy=("acme.test", 0), registration=account)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        mount = f'mount --bind "{resolv}" /etc/resolv.conf && exec "$@"'
        async with (
            name_server(hosts, services, _SERVER) as (names, _),
            running_edge(config, within=("unshare", "-m", "sh", "-c", mount, "sh")) as edge,
        ):
            provider = Provider(party)
            provider.meets(edge)
            yield Named(edge, provider, worker, names)


async def test_a_trunk_with_a_name_alone_is_found_by_its_srv_records(tmp_path: Path) -> None:
    async with named(tmp_path) as there:
        await there.provider.registers_us()
        invite = there.worker.request("INVITE", "sip:+34600111222@acme.trunk.invalid", body=SDP)
        there.worker.send(invite, there.edge.address)
        called = await there.provider.request("INVITE", answered=False)
        assert called.uri == "sip:+34600111222@acme.test"
        uri = "sip:acme.test;transport=udp"
        await there.edge.control.probe_trunk("acme", "1", "none", uri)
        await there.provider.request("OPTIONS", answered=False)
        assert "_sip._udp.acme.test" in there.names.asked


async def test_strangers_cannot_have_names_looked_up(tmp_path: Path) -> None:
    async with named(tmp_path) as there, udp_party("127.0.0.9") as stranger:
        await there.provider.registers_us()
        text = stranger.request("INVITE", "sip:1@uri.evil.test", to="sip:1@to.evil.test", body=SDP)
        host, port = stranger.local
        text = text.replace(f"Via: SIP/2.0/UDP {host}:{port}", "Via: SIP/2.0/UDP via.evil.test")
        assert "via.evil.test" in text
        stranger.send(text, there.edge.address)
        assert (await stranger.receive_answer("INVITE")).status == 407
        assert [name for name in there.names.asked if "evil" in name] == []


async def test_a_dns_that_is_silent_holds_a_call_and_the_others_up_for_seconds_only(
    tmp_path: Path,
) -> None:
    async with named(tmp_path) as there, udp_party("127.0.0.9") as other:
        there.names.silent = True
        began = time.monotonic()
        invite = there.worker.request("INVITE", "sip:+34600111222@acme.trunk.invalid", body=SDP)
        there.worker.send(invite, there.edge.address)
        # the one process that this edge has for UDP is the one that waits
        other.send(other.request("OPTIONS", "sip:centralita"), there.edge.address)
        async with asyncio.timeout(15):
            assert (await there.worker.receive_answer("INVITE")).status >= 400
            assert (await other.receive_answer("OPTIONS")).status == 407
        took = time.monotonic() - began
        print(f"a call by a name that nobody resolves has failed after {took:.1f} s")
        assert took < 10
