"""The edge as phones, trunks and strangers meet it: a real Kamailio, spoken to in SIP."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from centralita.core.errors import InvalidInput, Unavailable
from centralita.core.events import Event
from centralita.telephony.edge.config import EdgeConfig, EdgeRegistration, EdgeTrunk
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.edge.edge import Edge
from centralita.telephony.edge.events import PhoneRegistered, PhoneUnregistered
from centralita.telephony.edge.leftovers import FamilyFile
from centralita.telephony.edge.watch import RegistrationWatch
from tests.support.edge import (
    RunningEdge,
    edge_config,
    free_port,
    phone,
    running_edge,
    written_down,
)
from tests.support.sip import SDP, Message, Party, authorization, stream_party, udp_party

# Kamailio takes two seconds to start: the tests that need nothing special share one, and its loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONES = (phone("201", "secret"), phone("202", "other"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[RunningEdge, Party]]:
    """An edge and its worker, started once."""
    async with udp_party() as party:
        config = edge_config(tmp_path_factory.mktemp("edge"), [party.local])
        async with running_edge(replace(config, flood_requests=1000), PHONES) as running:
            yield running, party


@pytest_asyncio.fixture(loop_scope="module")
async def worker(shared: tuple[RunningEdge, Party]) -> Party:
    """A media worker, as far as the edge sees it, to whom nothing has been said yet."""
    _, party = shared
    while not party.inbox.empty():
        party.inbox.get_nowait()
    return party


@pytest_asyncio.fixture(loop_scope="module")
async def edge(shared: tuple[RunningEdge, Party]) -> AsyncIterator[RunningEdge]:
    """The edge, with two phones that are not registered."""
    running, _ = shared
    yield running
    running.edge.write_phones(PHONES)
    await running.control.reload_phones()
    for extension in await running.control.registrations():
        await running.control.forget_phone(extension, "centralita")


def shape(message: Message) -> str:
    """A message without what differs in any two: nonces, tags, branches, ids, counters."""
    lines = [message.first_line, *(f"{name}: {value}" for name, value in message.headers)]
    text = "\n".join(lines) + message.body
    text = re.sub(r'nonce="[^"]*"', "nonce", text)
    text = re.sub(r"(tag|branch)=[\w.-]+", r"\1", text)
    text = re.sub(r"(?m)^(call-id|cseq): .*$", r"\1", text)
    return re.sub(r"sip:\w+@", "sip:user@", text)


# ---- registering ---------------------------------------------------------------------------


async def test_a_phone_registers_by_digest_and_is_seen(edge: RunningEdge) -> None:
    async with udp_party() as agent:
        challenge, answer = await agent.register(edge.address, "201", "secret")
        assert challenge.status == 401
        assert answer.status == 200
        found = await edge.control.registrations()
        assert set(found) == {"201"}
        assert found["201"].transport == "udp"
        assert timedelta(seconds=50) < found["201"].expires <= timedelta(seconds=60)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_phones_register_over_connections(edge: RunningEdge, tls: bool) -> None:
    server = edge.tls_address if tls else edge.address
    async with stream_party(server, tls=tls) as agent:
        _, answer = await agent.register(server, "201", "secret")
        assert answer.status == 200
        found = await edge.control.registrations()
        assert found["201"].transport == ("tls" if tls else "tcp")


async def test_a_phone_whose_connection_breaks_is_not_registered_any_more(
    edge: RunningEdge,
) -> None:
    async with stream_party(edge.address) as agent:
        _, answer = await agent.register(edge.address, "201", "secret")
        assert answer.status == 200
    async with asyncio.timeout(10):
        while await edge.control.registrations():
            await asyncio.sleep(0.1)


async def test_an_eleventh_phone_of_an_extension_takes_the_place_of_the_stalest(
    edge: RunningEdge,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(udp_party()) for _ in range(12)]
        answers: set[str] = set()
        for number, agent in enumerate((*agents[:10], agents[0], *agents[10:])):
            if number == 3:
                await _next_second()  # Kamailio counts in them
            _, answer = await agent.register(edge.address, "201", "secret")
            assert answer.status == 200
            answers = set(re.findall(r":(\d+)>", ",".join(answer.all("contact"))))
        assert len(answers) == 10
        # the first had come again, and stays; the second and third have gone
        kept = [agents[0], *agents[3:]]
        assert answers == {str(agent.local[1]) for agent in kept}


async def _next_second() -> None:
    now = time.time()
    await asyncio.sleep(math.ceil(now + 0.001) - now)


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(edge: RunningEdge) -> None:
    async with udp_party() as stranger:
        known_challenge, wrong = await stranger.register(edge.address, "201", "guess")
        unknown_challenge, unknown = await stranger.register(edge.address, "999", "guess")
    assert wrong.status == unknown.status == 401
    assert shape(known_challenge) == shape(unknown_challenge)
    assert shape(wrong) == shape(unknown)
    assert await edge.control.registrations() == {}


async def test_one_phone_cannot_register_as_another(edge: RunningEdge) -> None:
    async with udp_party() as agent:
        uri = f"sip:127.0.0.1:{edge.address[1]}"

        def attempt(extra: str) -> str:
            return agent.request(
                "REGISTER", uri, user="202", to="sip:202@centralita", extra=extra, expires=60
            )

        agent.send(attempt(""), edge.address)
        challenge = (await agent.receive())["www-authenticate"]
        line = authorization(challenge, "REGISTER", uri, "201", "secret")
        agent.send(attempt(f"Authorization: {line}"), edge.address)
        assert (await agent.receive()).status == 401
        assert await edge.control.registrations() == {}


async def test_a_new_phone_registers_after_a_reload_and_a_withdrawn_one_does_not(
    edge: RunningEdge,
) -> None:
    edge.edge.write_phones([phone("203", "new")])
    await edge.control.reload_phones()
    async with udp_party() as agent:
        assert (await agent.register(edge.address, "203", "new"))[1].status == 200
        assert (await agent.register(edge.address, "201", "secret"))[1].status == 401


async def test_a_withdrawn_phone_can_be_sent_away_at_once(edge: RunningEdge) -> None:
    async with udp_party() as agent:
        await agent.register(edge.address, "201", "secret")
        assert "201" in await edge.control.registrations()
        await edge.control.forget_phone("201", "centralita")
        assert await edge.control.registrations() == {}
        await edge.control.forget_phone("999", "centralita")  # nobody there is no error


async def test_coming_and_going_is_published(edge: RunningEdge) -> None:
    happened: asyncio.Queue[Event] = asyncio.Queue()
    watch = RegistrationWatch(
        edge.control, happened.put_nowait, interval=timedelta(milliseconds=50)
    )
    watch.start()
    try:
        async with udp_party() as agent:
            await agent.register(edge.address, "201", "secret")
            event = await asyncio.wait_for(happened.get(), 5)
            assert event == PhoneRegistered(extension="201", user_agent="")
            assert "201" in watch.registered
            await agent.register(edge.address, "201", "secret", expires=0)
            event = await asyncio.wait_for(happened.get(), 5)
            assert event == PhoneUnregistered(extension="201")
    finally:
        await watch.close()


async def test_five_hundred_registrations_can_be_listed(tmp_path: Path, worker: Party) -> None:
    extensions = [str(1000 + number) for number in range(500)]
    config = replace(edge_config(tmp_path, [worker.local]), flood_requests=100000)
    async with (
        running_edge(config, [phone(extension, "p") for extension in extensions]) as edge,
        udp_party() as agent,
    ):
        for extension in extensions:
            assert (await agent.register(edge.address, extension, "p"))[1].status == 200
        assert set(await edge.control.registrations()) == set(extensions)


# ---- calls that come in --------------------------------------------------------------------


async def test_a_call_from_a_trunk_reaches_the_worker_with_the_trunks_name(
    edge: RunningEdge, worker: Party
) -> None:
    async with udp_party("127.0.0.2") as provider:
        provider.send(
            provider.request(
                "INVITE",
                f"sip:+34911234567@127.0.0.1:{edge.address[1]}",
                user="+34600111222",
                extra="X-Centralita-Trunk: other\r\nX-Centralita-Extension: 201\r\n"
                "Diversion: <sip:+34600000000@acme>\r\n"
                "P-Asserted-Identity: <sip:+34600111222@acme>",
                body=SDP,
            ),
            edge.address,
        )
        invite = await worker.receive_request("INVITE")
        assert invite.uri.startswith("sip:+34911234567@")
        assert invite.all("x-centralita-trunk") == ["acme"]
        assert "x-centralita-extension" not in invite
        assert invite["p-asserted-identity"] == "<sip:+34600111222@acme>"
        assert invite["diversion"] == "<sip:+34600000000@acme>"
        assert invite.body == SDP
        # the answer finds its way back, and so do ACK and BYE from either side
        worker.send(worker.answer(invite, 200, "OK", body=SDP), edge.address)
        ok = await provider.receive()
        assert ok.status == 200
        routes = ", ".join(reversed(ok.all("record-route")))
        for method in ("ACK", "BYE"):
            provider.send(
                provider.request(
                    method,
                    f"sip:us@{worker.local[0]}:{worker.local[1]}",
                    to="",
                    call_id=ok["call-id"],
                    extra=f"Route: {routes}",
                )
                .replace("To: <", "To: <", 1)
                .replace(f"To: <sip:us@{worker.local[0]}:{worker.local[1]}>", f"To: {ok['to']}"),
                edge.address,
            )
            assert (await worker.receive_request(method))["call-id"] == ok["call-id"]


async def test_the_worker_ends_a_call_through_the_edge(edge: RunningEdge, worker: Party) -> None:
    async with udp_party("127.0.0.2") as provider:
        provider.send(
            provider.request("INVITE", f"sip:100@127.0.0.1:{edge.address[1]}", body=SDP),
            edge.address,
        )
        invite = await worker.receive_request("INVITE")
        worker.send(worker.answer(invite, 200, "OK", body=SDP), edge.address)
        assert (await provider.receive()).status == 200
        contact = re.search(r"<([^>]+)>", invite["contact"])
        assert contact is not None
        routes = ", ".join(invite.all("record-route"))
        bye = worker.request("BYE", contact[1], call_id=invite["call-id"], extra=f"Route: {routes}")
        bye = re.sub(r"(?m)^To: .*\r$", f"To: {invite['from']}\r", bye)
        worker.send(bye, edge.address)
        assert (await provider.receive_request("BYE"))["call-id"] == invite["call-id"]


async def test_a_caller_who_hangs_up_early_is_heard_by_the_worker(
    edge: RunningEdge, worker: Party
) -> None:
    async with udp_party("127.0.0.2") as provider:
        invite_text = provider.request("INVITE", f"sip:100@127.0.0.1:{edge.address[1]}", body=SDP)
        provider.send(invite_text, edge.address)
        invite = await worker.receive_request("INVITE")
        worker.send(worker.answer(invite, 180, "Ringing"), edge.address)
        ringing = await asyncio.wait_for(provider.inbox.get(), 5)
        while ringing.status != 180:
            ringing = await asyncio.wait_for(provider.inbox.get(), 5)
        cancel = re.sub(r"^INVITE", "CANCEL", invite_text.partition("\r\n\r\n")[0])
        cancel = re.sub(r"(?m)^(CSeq: \d+) INVITE", r"\1 CANCEL", cancel)
        cancel = re.sub(r"(?m)^Content-.*\r?\n?", "", cancel).rstrip() + "\r\n"
        provider.send(cancel + "Content-Length: 0\r\n\r\n", edge.address)
        assert (await worker.receive_request("CANCEL"))["call-id"] == invite["call-id"]


async def test_a_registered_phone_calls_in_with_its_extension(
    edge: RunningEdge, worker: Party
) -> None:
    async with udp_party() as agent:
        uri = "sip:100@centralita"
        call_id = secrets.token_hex(8)

        def attempt(extra: str) -> str:
            return agent.request(
                "INVITE",
                uri,
                user="201",
                call_id=call_id,
                extra=f"X-Centralita-Trunk: acme\r\nP-Asserted-Identity: <sip:1@x>\r\n{extra}",
                body=SDP,
            )

        agent.send(attempt(""), edge.address)
        challenge = await agent.receive()
        assert challenge.status == 407
        line = authorization(challenge["proxy-authenticate"], "INVITE", uri, "201", "secret")
        agent.send(attempt(f"Proxy-Authorization: {line}"), edge.address)
        invite = await worker.receive_request("INVITE")
        assert invite.all("x-centralita-extension") == ["201"]
        assert "x-centralita-trunk" not in invite
        assert "p-asserted-identity" not in invite
        assert "proxy-authorization" not in invite


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE"])
async def test_strangers_are_challenged_whoever_they_say_they_are(
    edge: RunningEdge, worker: Party, method: str
) -> None:
    async with udp_party() as stranger:
        answers = []
        for user in ("201", "999", "edge"):
            stranger.send(stranger.request(method, "sip:100@centralita", user=user), edge.address)
            answers.append(await stranger.receive())
        assert {answer.status for answer in answers} == {407}
        assert len({shape(answer) for answer in answers}) == 1


async def test_nobody_relays_through_us(edge: RunningEdge) -> None:
    async with udp_party() as stranger, udp_party("127.0.0.9") as victim:
        text = stranger.request(
            "BYE",
            f"sip:victim@{victim.local[0]}:{victim.local[1]}",
            extra=f"Route: <sip:127.0.0.1:{edge.address[1]};lr>",
        )
        text = re.sub(r"(?m)^(To: .*?)\r$", r"\1;tag=forged\r", text)
        stranger.send(text, edge.address)
        assert (await stranger.receive()).status == 403
        assert victim.inbox.empty()


async def test_without_a_worker_the_caller_is_told_at_once(tmp_path: Path) -> None:
    config = edge_config(tmp_path, [("127.0.0.1", free_port())])
    async with running_edge(config) as edge, udp_party("127.0.0.2") as provider:
        provider.send(
            provider.request("INVITE", f"sip:100@127.0.0.1:{edge.address[1]}", body=SDP),
            edge.address,
        )
        assert (await provider.receive(timeout=8)).status in {408, 503}


async def test_the_next_worker_takes_the_call_of_a_full_one(tmp_path: Path, worker: Party) -> None:
    async with udp_party() as second:
        config = edge_config(tmp_path, [worker.local, second.local])
        async with running_edge(config) as edge, udp_party("127.0.0.2") as provider:
            workers = {"first": worker, "second": second}
            provider.send(
                provider.request("INVITE", f"sip:100@127.0.0.1:{edge.address[1]}", body=SDP),
                edge.address,
            )
            tasks = {
                asyncio.ensure_future(party.receive_request("INVITE")): name  # noqa: TID251
                for name, party in workers.items()
            }
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            taken = done.pop()
            full = workers.pop(tasks[taken])
            (other,) = pending
            full.send(full.answer(taken.result(), 503, "Full"), edge.address)
            invite = await asyncio.wait_for(other, 5)
            (free,) = workers.values()
            free.send(free.answer(invite, 200, "OK", body=SDP), edge.address)
            assert (await provider.receive()).status == 200


# ---- calls that go out ---------------------------------------------------------------------


async def test_a_worker_rings_a_registered_phone(edge: RunningEdge, worker: Party) -> None:
    async with udp_party() as agent:
        await agent.register(edge.address, "201", "secret")
        worker.send(
            worker.request(
                "INVITE", "sip:201@centralita", extra="X-Centralita-Call: call_1", body=SDP
            ),
            edge.address,
        )
        invite = await agent.receive_request("INVITE")
        assert invite.uri.startswith("sip:201@")
        assert "x-centralita-call" not in invite
        agent.send(agent.answer(invite, 200, "OK", body=SDP), edge.address)
        assert (await worker.receive_answer("INVITE")).status == 200


async def test_a_phone_on_a_connection_is_rung_through_it(edge: RunningEdge, worker: Party) -> None:
    async with stream_party(edge.tls_address, tls=True) as agent:
        await agent.register(edge.tls_address, "201", "secret")
        worker.send(worker.request("INVITE", "sip:201@centralita", body=SDP), edge.address)
        invite = await agent.receive_request("INVITE")
        agent.send(agent.answer(invite, 200, "OK", body=SDP))
        assert (await worker.receive_answer("INVITE")).status == 200


async def test_a_phone_that_is_not_registered_is_480(edge: RunningEdge, worker: Party) -> None:
    worker.send(worker.request("INVITE", "sip:202@centralita", body=SDP), edge.address)
    assert (await worker.receive_answer("INVITE")).status == 480


async def test_calls_to_the_outside_go_to_the_trunks_proxy(tmp_path: Path, worker: Party) -> None:
    async with udp_party("127.0.0.3") as provider:
        trunk = EdgeTrunk(name="acme", proxy=provider.local)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            worker.send(worker.request("INVITE", trunk.uri("+34600111222"), body=SDP), edge.address)
            invite = await provider.receive_request("INVITE")
            assert invite.uri == f"sip:+34600111222@127.0.0.3:{provider.local[1]}"


async def test_a_trunk_that_wants_a_password_gets_it(tmp_path: Path, worker: Party) -> None:
    async with udp_party("127.0.0.3") as provider:
        host, port = provider.local
        account = EdgeRegistration(registrar=host, port=port, username="us", password='p:a$s\\w"d')
        trunk = EdgeTrunk(name="acme", proxy=provider.local, registration=account)
        config = replace(edge_config(tmp_path, [worker.local]), trunks=(trunk,))
        async with running_edge(config) as edge:
            # it registers with the provider, who challenges
            first = await provider.receive_request("REGISTER", timeout=20)
            challenge = 'WWW-Authenticate: Digest realm="acme.example", nonce="n1", qop="auth"'
            text = provider.answer(first, 401, "Unauthorized")
            provider.send(
                text.replace("Content-Length", f"{challenge}\r\nContent-Length"), edge.address
            )
            while "authorization" not in (second := await provider.receive_request("REGISTER")):
                pass  # the first one again: the edge was still starting when our answer came
            given = dict(re.findall(r'(\w+)="?([^",]*)"?', second["authorization"]))
            assert given["username"] == "us"
            expected = authorization(challenge, "REGISTER", given["uri"], "us", account.password)
            assert given["realm"] == "acme.example"
            # the response must be the one of the right password, for its own cnonce
            assert _response(given, "REGISTER", account.password) == given["response"]
            assert "response=" in expected
            provider.send(provider.answer(second, 200, "OK"), edge.address)
            # and calls us under the name that it was given, with the number in To
            contact = re.search(r"sip:([^@]+)@", second["contact"])
            assert contact is not None
            provider.send(
                provider.request(
                    "INVITE",
                    f"sip:{contact[1]}@127.0.0.1:{edge.address[1]}",
                    to="sip:+34911234567@acme.example",
                    body=SDP,
                ),
                edge.address,
            )
            invite = await worker.receive_request("INVITE")
            assert invite["x-centralita-trunk"] == "acme"


def _response(given: dict[str, str], method: str, password: str) -> str:
    """The digest response that `password` gives for the nonces of a request."""
    import hashlib

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret = md5(f"{given['username']}:{given['realm']}:{password}")
    second = md5(f"{method}:{given['uri']}")
    if "qop" not in given:
        return md5(f"{secret}:{given['nonce']}:{second}")
    return md5(f"{secret}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{second}")


# ---- trouble -------------------------------------------------------------------------------


async def test_a_flood_is_cut_off_and_others_are_served(tmp_path: Path, worker: Party) -> None:
    config = replace(
        edge_config(tmp_path, [worker.local]), flood_requests=20, ban=timedelta(minutes=1)
    )
    async with running_edge(config, [phone("201", "secret")]) as edge:
        async with udp_party("127.0.0.66") as attacker:
            for _ in range(200):
                attacker.send(attacker.request("OPTIONS", "sip:1@centralita"), edge.address)
            await edge.log_has("banned for too many requests")
            # others are served
            async with udp_party() as agent:
                assert (await agent.register(edge.address, "201", "secret"))[1].status == 200
                # the ban lasts: one more request, alone, gets no answer
                alone = attacker.request("OPTIONS", "sip:1@centralita", call_id="alone")
                attacker.send(alone, edge.address)
                assert (await agent.register(edge.address, "201", "secret"))[1].status == 200
            answers = [attacker.inbox.get_nowait() for _ in range(attacker.inbox.qsize())]
            assert len(answers) < 100
            assert "alone" not in {answer["call-id"] for answer in answers}


async def test_guessing_a_password_leads_to_silence(tmp_path: Path, worker: Party) -> None:
    config = replace(edge_config(tmp_path, [worker.local]), guesses=3, flood_requests=1000)
    async with running_edge(config, [phone("201", "secret")]) as edge:
        async with udp_party("127.0.0.66") as attacker:
            for _ in range(3):
                _, answer = await attacker.register(edge.address, "201", "guess")
                assert answer.status == 401
            # the fourth gets no answer, and neither does the right one from there
            for password in ("guess", "secret"):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await attacker.register(edge.address, "201", password)
        await edge.log_has("locked for too many wrong passwords")


@pytest.mark.parametrize("victim", ["kamailio", "launcher"])
async def test_an_edge_that_is_killed_leaves_the_ports_to_the_next(
    tmp_path: Path, victim: str
) -> None:
    async with udp_party() as party:
        config = edge_config(tmp_path, [party.local])
        async with running_edge(config, PHONES) as edge:
            pid = edge.process.pid
            if victim == "kamailio":
                pid = int((config.folder / "kamailio.pid").read_text())
            os.kill(pid, signal.SIGKILL)
            await asyncio.wait_for(edge.process.wait(), 10)
            async with asyncio.timeout(10):
                while port_is_taken(edge.address):
                    await asyncio.sleep(0.05)
        async with running_edge(config, PHONES) as again, udp_party() as agent:
            assert (await agent.register(again.address, "201", "secret"))[1].status == 200


def family(config: EdgeConfig) -> list[int]:
    """The processes that were started with this configuration, launcher and all."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(config.folder / "kamailio.cfg") in process.cmdline():
                found.append(process.pid)
    return found


async def test_a_family_that_does_not_heed_its_end_is_ended_all_the_same(tmp_path: Path) -> None:
    async with udp_party() as party:
        config = edge_config(tmp_path, [party.local])
        async with running_edge(config, PHONES) as edge:
            # as one that is busy reading certificates
            os.kill(int((config.folder / "kamailio.pid").read_text()), signal.SIGSTOP)
            edge.process.terminate()
            await asyncio.wait_for(edge.process.wait(), edge.edge.spec().grace.total_seconds())
            assert not family(config)
            assert not port_is_taken(edge.address)


async def test_what_an_earlier_start_has_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    async with udp_party() as party, udp_party() as agent:
        config = edge_config(tmp_path, [party.local])
        async with running_edge(config, PHONES) as edge:
            os.kill(int((config.folder / "kamailio.pid").read_text()), signal.SIGSTOP)
            edge.process.kill()
            await edge.process.wait()
            assert port_is_taken(edge.address)
            left = family(config)
            assert len(left) > 1
        async with running_edge(config, PHONES) as again:
            assert (await agent.register(again.address, "201", "secret"))[1].status == 200
            assert not set(left) & set(family(config))
            # One that is looked after is not touched, whoever else starts in that folder.
            file = FamilyFile(config.registrations.with_name("family"))
            assert file.leftovers(str(config.folder / "kamailio.cfg")) == []
            other = await asyncio.create_subprocess_exec(
                *again.edge.spec().argv,
                cwd=config.folder,
                env={**os.environ, **again.edge.spec().env},
                stderr=asyncio.subprocess.DEVNULL,
            )
            assert await asyncio.wait_for(other.wait(), 20) != 0
            assert (await agent.register(again.address, "201", "secret"))[1].status == 200
        assert not family(config)


async def test_phones_that_were_registered_before_a_kill_are_rung_after_it(
    tmp_path: Path, worker: Party
) -> None:
    config = edge_config(tmp_path, [worker.local])
    async with udp_party() as agent:
        async with running_edge(config, PHONES) as edge:
            assert (await agent.register(edge.address, "201", "secret"))[1].status == 200
            await written_down(config.registrations, phones=1)
            os.kill(int((config.folder / "kamailio.pid").read_text()), signal.SIGKILL)
            await asyncio.wait_for(edge.process.wait(), 10)
        async with running_edge(config, PHONES) as again, asyncio.timeout(10):
            # The edge answers commands a moment before it has read them.
            while list(await again.control.registrations()) != ["201"]:
                await asyncio.sleep(0.05)


async def test_phones_that_register_in_the_same_instant_are_all_registered(
    tmp_path: Path, worker: Party
) -> None:
    extensions = [str(1000 + number) for number in range(100)]
    config = replace(edge_config(tmp_path, [worker.local]), flood_requests=100000)

    async with (
        running_edge(config, [phone(extension, "p") for extension in extensions]) as edge,
        contextlib.AsyncExitStack() as stack,
    ):
        agents = [await stack.enter_async_context(udp_party()) for _ in extensions]
        for _ in range(3):  # the first time, and as they do it again
            answers = await asyncio.gather(
                *(
                    agent.register(edge.address, extension, "p")
                    for agent, extension in zip(agents, extensions, strict=True)
                )
            )
            assert [last.status for *_, last in answers] == [200] * len(extensions)


def port_is_taken(address: tuple[str, int]) -> bool:
    """Whether somebody holds the UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


async def test_a_refused_configuration_is_told_in_kamailios_words(
    tmp_path: Path, worker: Party
) -> None:
    config = replace(edge_config(tmp_path, [worker.local]), modules="/nonexistent/")
    with pytest.raises(InvalidInput) as caught:
        await Edge(config).prepare([])
    assert "Kamailio refuses its configuration" in str(caught.value)
    assert "could not find module" in str(caught.value)


async def test_a_missing_kamailio_is_told_with_the_cure(tmp_path: Path, worker: Party) -> None:
    config = replace(edge_config(tmp_path, [worker.local]), binary="no-such-kamailio")
    with pytest.raises(Unavailable, match="install the packages kamailio"):
        await Edge(config).prepare([])


async def test_an_edge_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    control = EdgeControl(tmp_path / "nothing.pipe", timeout=timedelta(milliseconds=200))
    with pytest.raises(Unavailable, match="does not answer"):
        await control.ping()


async def test_secrets_are_readable_by_their_owner_only(edge: RunningEdge) -> None:
    folder = edge.edge.config.folder
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "db" / "phones").stat().st_mode & 0o077 == 0
    assert (folder / "control.pipe").stat().st_mode & 0o077 == 0
