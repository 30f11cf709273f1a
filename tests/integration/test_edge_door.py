"""Who stands at the edge's door: guessers, flooders, and those who only hold a connection."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from centralita.core.errors import InvalidInput, NotFound
from centralita.server.bans import Bans
from centralita.telephony.edge.config import EdgeConfig
from centralita.telephony.edge.control import Connection
from centralita.telephony.edge.doorman import Doorman, to_close
from tests.support.edge import RunningEdge, edge_config, phone, running_edge
from tests.support.sip import SDP, Message, Party, authorization, stream_party, udp_party
from tests.support.story import eventually
from tests.support.timing import told_apart
from tests.support.wire import wire

PHONES = (phone("201", "secret"), phone("202", "other"))


@asynccontextmanager
async def _edge(tmp_path: Path, **changes: object) -> AsyncIterator[tuple[RunningEdge, Party]]:
    """An edge with two phones' accounts, and its worker."""
    async with udp_party() as worker:
        config: EdgeConfig = replace(edge_config(tmp_path, [worker.local]), **changes)  # type: ignore[arg-type]
        async with running_edge(config, PHONES) as edge:
            yield edge, worker


# --- bans -------------------------------------------------------------------------------------


async def _guess(edge: RunningEdge, attacker: Party, *passwords: str) -> list[int]:
    """The answers to these passwords; 0 for two seconds of silence."""
    found = []
    for password in passwords:
        try:
            async with asyncio.timeout(2):
                found.append((await attacker.register(edge.address, "201", password))[1].status)
        except TimeoutError:
            found.append(0)
    return found


async def test_a_ban_is_listed_and_can_be_lifted(tmp_path: Path) -> None:
    async with _edge(tmp_path, guesses=3, flood_requests=1000) as (edge, _):
        bans = Bans(edge.control, edge.edge.config.ban)
        assert await bans.all() == []
        async with udp_party("127.0.0.66") as attacker, udp_party() as agent:
            assert await _guess(edge, attacker, "a", "b", "c", "d") == [401, 401, 401, 0]
            (ban,) = await bans.all()
            assert (ban.address, ban.reason) == ("127.0.0.66", "guesses")
            assert ban.until - ban.since == timedelta(minutes=5)
            # others go on, and the one who is banned has no other way in either
            assert (await agent.register(edge.address, "202", "other"))[1].status == 200
            assert await _guess(edge, attacker, "secret") == [0]
            with pytest.raises(NotFound, match=r"127\.0\.0\.67 is not banned"):
                await bans.lift("127.0.0.67", "eva")
            with pytest.raises(InvalidInput, match="not an IP address"):
                await bans.lift("example", "eva")
            await bans.lift("127.0.0.66", "eva")
            assert await bans.all() == []
            # forgiven, and the guesses forgotten
            assert await _guess(edge, attacker, "a", "secret") == [401, 200]


async def test_a_ban_runs_out(tmp_path: Path) -> None:
    async with _edge(tmp_path, guesses=1, flood_requests=1000, ban=timedelta(seconds=2)) as (
        edge,
        _,
    ):
        async with udp_party("127.0.0.66") as attacker:
            assert await _guess(edge, attacker, "a", "b") == [401, 0]
            bans = Bans(edge.control, edge.edge.config.ban)
            async with asyncio.timeout(20):
                while await _guess(edge, attacker, "secret") != [200]:
                    pass
            assert await bans.all() == []


async def test_nonsense_counts_like_requests(tmp_path: Path) -> None:
    async with _edge(tmp_path, flood_requests=20) as (edge, _):
        async with wire(edge.address, local="127.0.0.66") as attacker:
            for _ in range(100):
                attacker.send(b"NONSENSE\r\n\r\n" + b"x" * 100)
            await edge.log_has("banned for too many requests")
        (ban,) = await edge.control.bans()
        assert (ban.address, ban.reason) == ("127.0.0.66", "requests")


# --- encryption -------------------------------------------------------------------------------


async def _handshake(
    edge: RunningEdge, ciphers: str, newest: ssl.TLSVersion
) -> tuple[str, str] | None:
    """The version and cipher of a TLS connection that knows these only; None: refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers + ":@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    try:
        _, writer = await asyncio.open_connection(*edge.tls_address, ssl=context)
    except OSError:
        return None
    name, version, _ = writer.get_extra_info("cipher")
    writer.close()
    return version, name


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_keeps_no_conversation_that_a_key_could_open_later(tmp_path: Path) -> None:
    async with _edge(tmp_path) as (edge, _):
        old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        assert await _handshake(edge, "ALL", new) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
        found = await _handshake(edge, "ECDHE-ECDSA-AES128-GCM-SHA256", old)
        assert found == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
        for weak in (
            "ECDHE-ECDSA-AES128-SHA",
            "ECDHE-ECDSA-AES256-SHA384",
            "ECDHE-RSA-AES128-SHA",
            "AES128-GCM-SHA256",
            "AES128-SHA",
        ):
            assert await _handshake(edge, weak, old) is None
        assert await _handshake(edge, "ALL", ssl.TLSVersion.TLSv1_1) is None


# --- who is a user here -----------------------------------------------------------------------


async def _times(edge: RunningEdge, attacker: Party, pairs: int) -> tuple[list[float], list[float]]:
    """How long wrong passwords take: for a user that there is, and for one that there is not."""
    uri = f"sip:{edge.address[0]}:{edge.address[1]}"
    taken: dict[str, list[float]] = {"201": [], "901": []}

    def attempt(user: str, line: str = "") -> str:
        return attacker.request("REGISTER", uri, user=user, to=f"sip:{user}@centralita", extra=line)

    attacker.send(attempt("201"), edge.address)
    challenge = (await attacker.receive())["www-authenticate"]
    order = random.Random(7)
    for _ in range(pairs):
        for user in order.sample(sorted(taken), 2):
            line = authorization(challenge, "REGISTER", uri, user, "wrong")
            text = attempt(user, f"Authorization: {line}")
            began = time.perf_counter()
            attacker.send(text, edge.address)
            answer: Message = await attacker.receive()
            taken[user].append(time.perf_counter() - began)
            assert answer.status == 401
    return taken["201"], taken["901"]


async def test_users_cannot_be_told_by_the_time_of_the_answer(tmp_path: Path) -> None:
    async with _edge(
        tmp_path, guesses=100_000, guesses_of_address=100_000, flood_requests=100_000
    ) as (edge, _):
        async with udp_party("127.0.0.66") as attacker:
            known, unknown = await _times(edge, attacker, 400)
    share = told_apart(known, unknown)
    print(f"a known user takes longer in {share:.1%} of the pairs")
    # Of 400 pairs that are alike, one run in a million differs by so much.
    assert abs(share - 0.5) < 0.1


def _slow_for_users(text: str) -> str:
    """A configuration that spends half a millisecond more on users that there are."""
    slow = '    if ($sht(phones=>$au) != $null) {\n        usleep("500");\n    }\n'
    text = text.replace("route[PASSWORD] {\n", "route[PASSWORD] {\n" + slow)
    return text.replace('loadmodule "pike.so"', 'loadmodule "pike.so"\nloadmodule "cfgutils.so"')


async def test_a_door_that_is_slower_for_users_is_noticed(tmp_path: Path) -> None:
    """The test above can fail: a password that is looked up for users only would show."""
    async with udp_party() as worker:
        config = replace(
            edge_config(tmp_path, [worker.local]),
            guesses=100_000,
            guesses_of_address=100_000,
            flood_requests=100_000,
        )
        async with running_edge(config, PHONES, change=_slow_for_users) as edge:
            async with udp_party("127.0.0.66") as attacker:
                known, unknown = await _times(edge, attacker, 200)
    assert told_apart(known, unknown) > 0.6


# --- what is not passed on --------------------------------------------------------------------


async def test_an_answer_to_nothing_is_not_sent_to_its_second_via(tmp_path: Path) -> None:
    async with _edge(tmp_path) as (edge, _), udp_party("127.0.0.9") as victim:
        async with wire(edge.address, local="127.0.0.66") as attacker:
            attacker.send(
                b"SIP/2.0 200 OK\r\n"
                b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK1\r\n"
                b"Via: SIP/2.0/UDP 127.0.0.9:%d;branch=z9hG4bK2\r\n"
                b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
                b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
                % (edge.address[1], victim.local[1])
            )
            for _ in range(4):
                attacker.send(attacker.request("REGISTER", "fence"))
                await attacker.final()
                attacker.answers.clear()
            assert victim.inbox.empty()


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [("10.1.2.3", "127.0.0.2"), ("192.168.1.9", "127.0.0.2"), ("203.0.113.7", "203.0.113.7")],
)
async def test_audio_behind_a_router_is_expected_from_where_the_call_comes(
    tmp_path: Path, said: str, passed_on: str
) -> None:
    async with _edge(tmp_path) as (edge, worker), udp_party("127.0.0.2") as provider:
        offer = SDP.replace("c=IN IP4 127.0.0.1", f"c=IN IP4 {said}")
        uri = f"sip:100@127.0.0.1:{edge.address[1]}"
        provider.send(provider.request("INVITE", uri, body=offer), edge.address)
        invite = await worker.receive_request("INVITE")
        assert f"c=IN IP4 {passed_on}" in invite.body
        assert int(invite["content-length"]) == len(invite.body)


async def test_audio_to_a_group_is_refused_clearly(tmp_path: Path) -> None:
    async with _edge(tmp_path) as (edge, _), udp_party("127.0.0.2") as provider:
        offer = SDP.replace("c=IN IP4 127.0.0.1", "c=IN IP4 224.2.1.1/127")
        uri = f"sip:100@127.0.0.1:{edge.address[1]}"
        provider.send(provider.request("INVITE", uri, body=offer), edge.address)
        answer = await provider.receive()
        assert answer.status == 488
        assert "Multicast not available" in answer["warning"]


KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"


async def test_keys_of_audio_are_neither_taken_nor_told_where_anybody_can_read_them(
    tmp_path: Path,
) -> None:
    async with _edge(tmp_path, guarded_keys=True) as (edge, worker):
        async with udp_party("127.0.0.2") as provider:
            uri = f"sip:100@127.0.0.1:{edge.address[1]}"
            insists = SDP.replace("RTP/AVP", "RTP/SAVP") + KEY
            provider.send(provider.request("INVITE", uri, body=insists), edge.address)
            answer = await provider.receive()
            assert answer.status == 488
            assert "Keys need SIP over TLS" in answer["warning"]
            # One that would like to is served, without.
            likes = provider.request("INVITE", uri, call_id="likes", body=SDP + KEY)
            provider.send(likes, edge.address)
            invite = await worker.receive_request("INVITE")
            assert "crypto" not in invite.body and "inline" not in invite.body
            assert int(invite["content-length"]) == len(invite.body)
            # Nor are ours told in an answer to who named none.
            worker.send(worker.answer(invite, 200, "OK", body=SDP + KEY), edge.address)
            while (answer := await provider.receive()).status != 200:
                pass
            assert "m=audio" in answer.body
            assert "crypto" not in answer.body and "inline" not in answer.body


async def test_by_tls_keys_pass(tmp_path: Path) -> None:
    offer = SDP.replace("RTP/AVP", "RTP/SAVP") + KEY
    async with _edge(tmp_path, guarded_keys=True) as (edge, worker):
        async with stream_party(edge.tls_address, tls=True) as agent:
            uri = "sip:100@centralita"
            agent.send(agent.request("INVITE", uri, user="201", body=offer))
            challenge = await agent.receive()
            line = authorization(challenge["proxy-authenticate"], "INVITE", uri, "201", "secret")
            extra = f"Proxy-Authorization: {line}"
            agent.send(agent.request("INVITE", uri, user="201", extra=extra, body=offer))
            assert KEY in (await worker.receive_request("INVITE")).body


async def test_a_call_that_a_worker_does_not_answer_costs_nobody_else_theirs(
    tmp_path: Path,
) -> None:
    async with _edge(tmp_path) as (edge, worker), udp_party("127.0.0.2") as provider:
        uri = f"sip:100@127.0.0.1:{edge.address[1]}"
        provider.send(provider.request("INVITE", uri, call_id="odd", body=SDP), edge.address)
        assert (await worker.receive_request("INVITE"))["call-id"] == "odd"
        assert (await provider.receive(timeout=10)).status == 408  # thrown away by the worker
        provider.send(provider.request("INVITE", uri, call_id="good", body=SDP), edge.address)
        while (invite := await worker.receive_request("INVITE"))["call-id"] == "odd":
            pass
        assert invite["call-id"] == "good"


# --- connections ------------------------------------------------------------------------------


def _connections(*numbers: int, address: str = "192.0.2.1") -> list[Connection]:
    return [Connection(id=number, src_ip=address, lifetime=20) for number in numbers]


def test_who_had_time_enough_and_said_nothing_is_sent_away() -> None:
    some = _connections(1, 2, 3)
    doomed = to_close(some, {1: 0, 2: 15, 3: 30}, 30, patience=20, per_address=5)
    assert [connection.id for connection in doomed] == [1]


def test_of_one_address_the_youngest_connections_may_stay() -> None:
    some = _connections(1, 2, 3, 4) + _connections(5, 6, address="192.0.2.2")
    doomed = to_close(some, dict.fromkeys(range(1, 7), 0.0), 1, patience=20, per_address=2)
    assert [connection.id for connection in doomed] == [1, 2]


def test_a_reverse_proxy_that_is_exempt_may_have_everybodys_connections() -> None:
    connections = [Connection(id=n, src_ip="127.0.0.1", lifetime=20) for n in range(9)]
    seen = dict.fromkeys(range(9), 0.0)
    exempt = ["127.0.0.0/30", "::1"]
    assert not to_close(connections, seen, 1.0, patience=20, per_address=4, exempt=exempt)
    assert len(to_close(connections, seen, 21.0, patience=20, per_address=4, exempt=exempt)) == 9


async def test_hundreds_of_half_open_connections_are_closed_and_phones_go_on(
    tmp_path: Path,
) -> None:
    async with _edge(
        # Long enough for all of them to come, on a machine that is restored from its image, too.
        tmp_path,
        unproven=timedelta(seconds=16),
        unproven_connections=20,
        flood_requests=1000,
    ) as (edge, worker):
        doorman = Doorman(edge.control, edge.edge.config, interval=timedelta(seconds=0.5))
        async with stream_party(edge.tls_address, tls=True) as agent, _slow_crowd(edge) as crowd:
            assert (await agent.register(edge.tls_address, "201", "secret"))[1].status == 200
            assert len(await edge.control.connections()) > 300
            doorman.start()
            try:
                async with asyncio.timeout(40):
                    while crowd.closed() < len(crowd.readers):
                        # whoever comes meanwhile is served
                        async with stream_party(edge.tls_address, tls=True) as other:
                            other.send(other.request("REGISTER", "sip:centralita", user="202"))
                            assert (await other.receive()).status == 401

                async def alone() -> bool | None:
                    # The end of the last of those who came meanwhile is on its way to the edge.
                    kept = await edge.control.connections()
                    return [connection.src_ip for connection in kept] == ["127.0.0.1"] or None

                await eventually(alone, "the agent's connection is the only one that is left")
            finally:
                await doorman.close()
            worker.send(worker.request("INVITE", "sip:201@centralita", body=SDP), edge.address)
            assert (await agent.receive_request("INVITE")).uri.startswith("sip:201@")
        log = edge.log.read_text(errors="replace")
        assert not re.search(r"out of memory|CRITICAL", log), log[-3000:]


class _Crowd:
    """Connections that say nothing, or a byte now and then."""

    def __init__(self) -> None:
        self.readers: list[asyncio.StreamReader] = []

    def closed(self) -> int:
        """How many the server has closed."""
        return sum(reader.at_eof() or reader.exception() is not None for reader in self.readers)


@asynccontextmanager
async def _slow_crowd(edge: RunningEdge) -> AsyncIterator[_Crowd]:
    """150 idle ones, 100 that drip bytes, 100 that begin TLS and never end it."""
    crowd = _Crowd()
    writers: list[asyncio.StreamWriter] = []

    async def join(server: tuple[str, int], first: bytes) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(*server, local_addr=("127.0.0.66", 0))
        writer.write(first)
        crowd.readers.append(reader)
        writers.append(writer)
        return writer

    async def drip(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as group:
        dripping = []
        try:
            for _ in range(150):
                await join(edge.address, b"")
            for _ in range(100):
                writer = await join(edge.address, b"OPTIONS sip:centralita SIP/2.0\r\nVia: ")
                dripping.append(group.create_task(drip(writer)))
            for _ in range(100):
                await join(edge.tls_address, _client_hello())
            # Each end is read, so that a closing is noticed.
            reading = [group.create_task(_read(reader)) for reader in crowd.readers]
            yield crowd
        finally:
            for task in (*dripping, *reading):
                task.cancel()
            for writer in writers:
                writer.close()


async def _read(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


def _client_hello() -> bytes:
    """The first words of a TLS handshake, and no more."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = context.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()
