"""INVITEs that honest exchanges and strangers send, and that none of our phones would."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.raw_call import OFFER, RawCall
from tests.support.server import ServerProcess, lives
from tests.support.sip import SDP, authorization, udp_party
from tests.support.story import eventually, publish_flow, set_queues, watcher
from tests.support.wire import wire

SALES = "310"
TO_SALES = """
flow: to_sales
language: es
start: queue
nodes:
  queue: {type: enqueue, queue: sales, otherwise: bye}
  bye: {type: hangup}
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("strange"))
    await running.prepare()
    await set_queues(running, wrap_up="0s", announce_recording=False, record=False)
    await publish_flow(running, SALES, TO_SALES)
    await running.start()
    before = lives(running) - {running.brain.pid}
    yield running
    # The brain is killed by one of the tests.
    assert lives(running) - {running.brain.pid} == before, running.tail()
    assert await running.stop() == 0


async def _works(server: ServerProcess) -> None:
    """A caller as ever is served."""
    phone = await server.caller()
    call = await phone.call("100")
    await call.wait_answered()
    await call.audio.sound()
    await call.hang_up()
    await phone.close()


# --- who takes over a dialog ------------------------------------------------------------------


@pytest.mark.parametrize("what", ["Replaces", "Join", "replaces "])
async def test_nobody_takes_over_a_dialog_by_invite(server: ServerProcess, what: str) -> None:
    before = lives(server)
    async with wire(server.sip) as caller, wire(server.sip) as other:
        first = await RawCall(caller).answered()
        RawCall(other, more=(first.named_in(what),)).invite()
        assert await other.final() == 403
        caller.leave_calls()
        await caller.probe()
    await _works(server)
    assert lives(server) == before


@pytest.mark.parametrize("early", [False, True])
async def test_a_worker_refuses_replaces_by_itself(server: ServerProcess, early: bool) -> None:
    """The second wall: whoever gets past the edge, or where there is none."""
    before = lives(server)
    worker = ("127.0.0.1", server.config().sip.worker_port)
    async with wire(worker) as caller:
        for _ in range(3):
            async with wire(worker) as other, wire(worker) as third:
                first = await RawCall(caller).answered()
                named = first.named_in("Replaces") + (b";early-only" if early else b"")
                RawCall(other, more=(named, b"Require: replaces")).invite()
                assert await other.final() in (481, 486, 603)
                # Called again with a tag that nobody has.
                RawCall(third, more=(b"Replaces: a@b;to-tag=c;from-tag=d",)).invite()
                assert await third.final() == 481
                caller.leave_calls()
                await caller.served()
                caller.answers.clear()
    await _works(server)
    assert lives(server) == before
    assert "nobody serves" not in server.log.read_text(errors="replace")


async def test_a_phones_pick_up_key_is_refused_once_it_has_shown_who_it_is(
    server: ServerProcess,
) -> None:
    async with wire(server.sip) as caller, udp_party("127.0.0.9") as phone:
        first = await RawCall(caller).answered()
        uri = "sip:100@centralita"
        named = first.named_in("Replaces").decode()

        def invite(line: str = "") -> str:
            return phone.request("INVITE", uri, user="201", extra=f"{named}\r\n{line}", body=SDP)

        # By a trunk's address everybody here is a trunk; only a phone elsewhere is asked.
        phone.send(invite(), server.sip)
        answer = await phone.receive()
        if answer.status == 407:
            password = server.phones["201"]
            line = authorization(answer["proxy-authenticate"], "INVITE", uri, "201", password)
            phone.send(invite(f"Proxy-Authorization: {line}"), server.sip)
            answer = await phone.receive_answer("INVITE")
        assert answer.status == 403
        caller.leave_calls()
        await caller.probe()


# --- text ---------------------------------------------------------------------------------------

LATIN = "José Ñandú".encode("latin-1")
ODD = {
    "From": (b'"' + LATIN + b'" <sip:+34600111333@centralita>', ()),
    "PAI": (
        b"<sip:1@x>",
        (b'P-Asserted-Identity: "' + LATIN + b'" <sip:+34600111333@centralita>',),
    ),
    "Subject": (b"<sip:+34600111333@centralita>", (b"Subject: " + LATIN,)),
    "X-Note": (b"<sip:+34600111333@centralita>", (b"X-Note: \xff\xfe\x80 " + LATIN,)),
    "Diversion": (b"<sip:+34600111333@centralita>", (b'Diversion: "' + LATIN + b'" <sip:9@x>',)),
    "User-Agent": (b"<sip:+34600111333@centralita>", (b"User-Agent: " + LATIN,)),
    "Call-Info": (b"<sip:+34600111333@centralita>", (b"Call-Info: <http://\xe9>",)),
    "escapes": (b'"a\x1b[2Jb\x07" <sip:+34600111333@centralita>', ()),
}


@pytest.mark.parametrize("where", ODD)
async def test_bytes_that_are_not_utf_8_cost_no_call(server: ServerProcess, where: str) -> None:
    caller, more = ODD[where]
    async with wire(server.sip) as line, watcher(server) as sofia:
        await RawCall(line, caller=caller, more=more).answered()
        line.leave_calls()
        await line.probe()
        assert (await sofia.call_of("+34600111333"))["id"]


async def test_a_restart_with_a_latin_1_caller_in_the_house_costs_no_call(
    server: ServerProcess,
) -> None:
    phone = await server.caller("+34600777001")
    talk = await phone.call("100")
    await talk.wait_answered()
    async with wire(server.sip) as line:
        # One whose call rings and one that is answered while the brain is replaced.
        caller, more = ODD["From"]
        call = await RawCall(line, caller=caller, more=(*more, b"Subject: \xe9\xff")).answered()
        brain = server.brain.pid
        server.brain.send_signal(signal.SIGKILL)
        late = RawCall(line, caller=caller, more=more).invite()

        async def another() -> bool | None:
            try:
                return True if server.brain.pid != brain else None
            except AssertionError:
                return None

        await eventually(another, "another brain", within=30)

        async def served() -> bool | None:
            return True if any(b" 200 OK" in reply[:20] for reply in late.replies) else None

        await eventually(served, lambda: f"the late one is answered: {late.replies}", within=30)
        assert not talk.ended.is_set()
        await talk.audio.sound()
        line.leave_calls()
        await line.probe()
        assert call.ok
    await talk.hang_up()
    await phone.close()


# --- who the caller says it is ------------------------------------------------------------------

POISON = ("Juan%20Perez", "caf%C3%A9", "a%40b", "a%3Cb", "%22x%22", "a%0D%0AVia:%20x", "x" * 300)


@pytest.mark.parametrize("user", POISON, ids=range(len(POISON)))
async def test_no_callers_name_keeps_an_agents_phone_from_ringing(
    server: ServerProcess, user: str
) -> None:
    async with watcher(server) as sofia, wire(server.sip) as line:
        agent = await server.agent_phone("201")
        try:
            await sofia.frees("ana")
            await sofia.ready("ana")
            odd = f"<sip:{user}@centralita>".encode()
            call = await RawCall(line, dialled=SALES, caller=odd).answered()
            talk = await asyncio.wait_for(agent.incoming.get(), 15)
            talk.accept()
            await talk.wait_answered()
            line.leave_calls()
            await talk.wait_ended()
            seen = await sofia.agent("ana")
            assert seen["status"] == "available", seen
            assert call.ok
        finally:
            await agent.close()


# --- size ---------------------------------------------------------------------------------------


async def test_quadratic_text_does_not_stop_the_others(server: ServerProcess) -> None:
    async with wire(server.sip) as line:
        calls = [
            RawCall(line, more=(b"Diversion: " + sign * 6500,)).invite()
            for sign in (b"<", b'"', b"<", b",", b"\\", b"<sip:", b'"\\', b"<", b'",', b"<")
        ]
        await _works(server)

        async def all_answered() -> bool | None:
            finals = [call for call in calls if any(b" 100 " not in r[:12] for r in call.replies)]
            return True if len(finals) == len(calls) else None

        await eventually(all_answered, "all are answered")
        line.leave_calls()
        await line.probe()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("size", "right"), [(5_000, 200), (12_000, 200), (16_000, 200), (30_000, 513), (60_000, 513)]
)
async def test_a_long_invite_is_served_or_told_that_it_is_too_long(
    server: ServerProcess, size: int, right: int, transport: str
) -> None:
    async with wire(server.sip, transport) as line:
        filler = [b"X-Filler-%d: %b" % (number, b"f" * 500) for number in range(size // 516)]
        RawCall(line, more=tuple(filler), transport=transport).invite()
        assert await line.final() == right
        line.leave_calls()
        await line.probe()


@pytest.mark.parametrize("lines", [0, 20, 60, 200])
async def test_the_address_for_audio_is_right_however_long_the_offer(
    server: ServerProcess, lines: int
) -> None:
    offer = OFFER.replace(b"a=rtpmap:101", b"a=rtcp:40001 IN IP4 127.0.0.1\r\na=rtpmap:101")
    offer += b"".join(b"a=x-line-%d:%b\r\n" % (number, b"v" * 40) for number in range(lines))
    async with wire(server.sip, "tcp") as line:
        call = await RawCall(line, body=offer, transport="tcp").answered()
        assert set(re.findall(rb"IN IP4 (\S+)", call.ok)) == {b"127.0.0.1"}
        line.leave_calls()
        await line.probe()
