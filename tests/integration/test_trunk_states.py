"""What a real edge knows of its trunks, and what a real server tells of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from centralita.core.clock import SteadyClock
from centralita.core.events import Event
from centralita.core.tasks import Tasks
from centralita.telephony.edge.certificate import self_signed
from centralita.telephony.edge.config import EdgeTrunk
from centralita.telephony.edge.events import TrunkChanged
from centralita.telephony.edge.trunk_state import (
    Condition,
    Enrolment,
    Pace,
    Trouble,
    TrunkState,
)
from centralita.telephony.edge.trunk_watch import TrunkWatch
from tests.support.edge import RunningEdge, edge_config, free_port, running_edge
from tests.support.provider import Provider, challenge
from tests.support.server import ROOT, ApiClient, ServerProcess
from tests.support.sip import SDP, Party, listening_party, udp_party

QUICK = Pace(look=0.1, every=0.5, again=0.5, patience=3.0, grace=4.0)


class Watched:
    """A watch over the trunks of an edge, and what it tells."""

    def __init__(self, edge: RunningEdge) -> None:
        self.told: list[TrunkChanged] = []
        self.watch = TrunkWatch(
            edge.control, edge.edge.config.trunks, self._hear, SteadyClock(), QUICK
        )

    def _hear(self, event: Event) -> None:
        assert isinstance(event, TrunkChanged)
        self.told.append(event)

    async def becomes(
        self, condition: Condition, *, so: Callable[[TrunkState], bool] = lambda _: True
    ) -> TrunkState:
        """The state of the only trunk, once it is that."""
        async with asyncio.timeout(25):
            while True:
                (state,) = self.watch.states
                if state.condition is condition and so(state):
                    return state
                await asyncio.sleep(0.05)  # another process


@contextlib.asynccontextmanager
async def watched(tmp_path: Path, trunk: EdgeTrunk) -> AsyncIterator[tuple[RunningEdge, Watched]]:
    async with udp_party() as worker:
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            watched = Watched(edge)
            watched.watch.start()
            try:
                yield edge, watched
            finally:
                await watched.watch.close()


@contextlib.asynccontextmanager
async def answering(party: Party, edge: RunningEdge, status: int = 200) -> AsyncIterator[None]:
    """As long as it lasts, the party answers every OPTIONS."""

    async def answer() -> None:
        while True:
            question = await party.receive_request("OPTIONS", timeout=60)
            party.send(party.answer(question, status, "Here"), edge.address)

    tasks = Tasks("provider")
    tasks.spawn(answer(), name="answer OPTIONS")
    try:
        yield
    finally:
        await tasks.close()


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_a_trunk_that_answers_whatever_it_says_is_up(tmp_path: Path, status: int) -> None:
    async with udp_party("127.0.0.3") as party:
        trunk = EdgeTrunk(name="acme", addresses=("127.0.0.3",), proxy=party.local)
        async with watched(tmp_path, trunk) as (edge, seen), answering(party, edge, status):
            assert seen.watch.usable("acme")
            state = await seen.becomes(Condition.UP)
            assert state.answers
            assert state.registration is Enrolment.NONE


async def test_a_trunk_that_falls_silent_is_down_and_up_again_when_it_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with udp_party("127.0.0.3") as party:
        trunk = EdgeTrunk(name="acme", addresses=("127.0.0.3",), proxy=party.local)
        async with watched(tmp_path, trunk) as (edge, seen):
            async with answering(party, edge):
                await seen.becomes(Condition.UP)
            with caplog.at_level(logging.WARNING):
                state = await seen.becomes(Condition.DOWN)
                assert state.trouble is Trouble.NO_ANSWER
                assert not seen.watch.usable("acme")
                async with answering(party, edge):
                    await seen.becomes(Condition.UP)
            assert seen.watch.usable("acme")
    down, again = (record for record in caplog.records if "trunk" in record.message)
    assert down.message == "trunk is down"
    assert "does not answer" in down.__dict__["cause"]
    assert again.message == "trunk is up again"
    assert [event.condition for event in seen.told] == ["up", "down", "up"]


async def test_a_trunk_by_tcp_that_is_not_there_is_told_from_one_that_is_silent(
    tmp_path: Path,
) -> None:
    trunk = EdgeTrunk(name="acme", proxy=("127.0.0.3", free_port()), transport="tcp")
    async with watched(tmp_path, trunk) as (_, seen):
        state = await seen.becomes(Condition.DOWN)
        assert state.trouble is Trouble.CONNECTION
        assert "[trunk:acme]" in state.message


async def test_a_trunk_whose_name_is_not_found_is_told_so(tmp_path: Path) -> None:
    trunk = EdgeTrunk(name="acme", proxy=("sip.acme.invalid", 5060))
    async with watched(tmp_path, trunk) as (_, seen):
        state = await seen.becomes(Condition.DOWN)
        assert state.trouble is Trouble.NAME
        assert "sip.acme.invalid" in state.message


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_trunk_by_tls_is_down_when_its_certificate_is_refused(
    tmp_path: Path, trusted: bool
) -> None:
    certificate, key = self_signed(tmp_path / "provider", "provider.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with listening_party("127.0.0.3", tls=context) as party:
        trunk = EdgeTrunk(
            name="acme",
            proxy=party.local,
            transport="tls",
            tls_ca=certificate if trusted else None,
        )
        async with watched(tmp_path, trunk) as (edge, seen):
            if trusted:
                async with answering(party, edge):
                    await seen.becomes(Condition.UP)
            else:
                state = await seen.becomes(Condition.DOWN)
                assert state.trouble is Trouble.CERTIFICATE
                assert "tls_ca" in state.message


async def test_a_registration_is_told_of_with_its_end(tmp_path: Path) -> None:
    async with udp_party("127.0.0.3") as party:
        provider = Provider(party)
        async with watched(tmp_path, provider.trunk()) as (edge, seen):
            provider.meets(edge)
            await provider.registers_us()
            # it answers no OPTIONS, and need not
            state = await seen.becomes(
                Condition.UP, so=lambda state: state.registration is Enrolment.REGISTERED
            )
            assert state.code == 200
            assert state.expires_at is not None
            left = (state.expires_at - SteadyClock().now()).total_seconds()
            assert 0 < left <= 65


@pytest.mark.parametrize(
    ("status", "trouble"), [(401, Trouble.PASSWORD), (403, Trouble.REFUSED), (404, Trouble.REFUSED)]
)
async def test_a_registrar_that_refuses_us_is_told_of_with_its_reason(
    tmp_path: Path, status: int, trouble: Trouble
) -> None:
    async with udp_party("127.0.0.3") as party:
        provider = Provider(party)
        async with watched(tmp_path, provider.trunk()) as (edge, seen):
            provider.meets(edge)
            provider.challenges(await provider.request("REGISTER", answered=False), status=401)
            request = await provider.request("REGISTER", answered=True)
            if status == 401:
                provider.challenges(request, (challenge(nonce="n2"),), status=401)
            else:
                provider.answers(request, status, "No")
            state = await seen.becomes(Condition.DOWN)
            assert (state.trouble, state.code) == (trouble, status)
            assert state.registration is Enrolment.REFUSED
            assert str(status) in state.message
            assert not seen.watch.usable("acme")


async def test_calls_are_counted_by_trunk_and_direction(tmp_path: Path) -> None:
    async with udp_party() as worker, udp_party("127.0.0.3") as party:
        trunk = EdgeTrunk(name="acme", addresses=("127.0.0.3",), proxy=party.local)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            here = f"sip:1@127.0.0.1:{edge.address[1]}"
            for _ in range(2):
                party.send(party.request("INVITE", here, body=SDP), edge.address)
                invite = await worker.receive_request("INVITE")
                worker.send(worker.answer(invite, 486, "Busy Here"), edge.address)
                await party.receive_answer("INVITE")
            outside = worker.request("INVITE", "sip:2@acme.trunk.invalid", body=SDP)
            worker.send(outside, edge.address)
            await party.receive_request("INVITE")
            facts = await edge.control.trunk_facts(accounts=False)
            assert facts["acme"].calls == (2, 1)


async def test_an_edge_that_is_away_says_nothing_of_trunks(tmp_path: Path) -> None:
    async with udp_party("127.0.0.3") as party:
        trunk = EdgeTrunk(name="acme", addresses=("127.0.0.3",), proxy=party.local)
        async with watched(tmp_path, trunk) as (edge, seen):
            async with answering(party, edge):
                await seen.becomes(Condition.UP)
                edge.process.terminate()
                await edge.process.wait()
            await asyncio.sleep(3 * QUICK.patience)  # nothing to await: that nothing is said
            assert [event.condition for event in seen.told] == ["up"]


# ---- a whole server --------------------------------------------------------------------------


async def _status(server: ServerProcess, *more: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "centralita.server", "trunk", "status", *more),
        *("--data", str(server.data)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_wrong_password_at_a_registrar_is_seen_everywhere(tmp_path: Path) -> None:
    async with udp_party("127.0.0.3") as party:
        provider = Provider(party)
        secret = tmp_path / "secret"
        secret.write_text("wrong\n")
        secret.chmod(0o600)
        host, port = party.local
        trunk = (
            f"[trunk:acme]\nregistrar = {host}:{port}\nusername = 34911000111\n"
            f"password_file = {secret}\n"
        )
        tasks = Tasks("provider")
        server = ServerProcess(tmp_path, extra=trunk)
        provider.edge = server.sip

        async def refuse() -> None:
            while True:
                request = await party.receive_request("REGISTER", timeout=60)
                provider.challenges(request, status=401)

        tasks.spawn(refuse(), name="refuse")
        async with server:
            await server.log_has("trunk is down")
            code, table = await _status(server)
            assert code == 1
            assert "password_file in [trunk:acme]" in table
            code, text = await _status(server, "--json")
            assert code == 1
            (loopback, acme) = json.loads(text)
            assert (loopback["name"], loopback["condition"]) == ("loopback", "unknown")
            assert (acme["condition"], acme["trouble"], acme["code"]) == ("down", "password", 401)
            async with ApiClient(server.url, "admin", server.users["admin"]) as admin:
                items = (await admin.get("/trunks"))["items"]
                assert isinstance(items, list)
                assert items[1]["message"] == acme["message"]
            async with aiohttp.ClientSession(server.url) as here:
                health = await (await here.get("/healthz")).json()
                assert health["status"] == "degraded"
                assert "trunk acme is down" in health["trunks"]["message"]
                metrics = await (await here.get("/metrics")).text()
                assert 'centralita_trunk_up{trunk="acme"} 0.0' in metrics
                assert 'centralita_trunk_registered{trunk="acme"} 0.0' in metrics
        await tasks.close()
        code, text = await _status(server)
        assert code == 1
        assert "no server runs" in text
