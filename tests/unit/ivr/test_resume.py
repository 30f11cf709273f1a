"""A driver's process is killed at every kind of node, and the next one goes on with the call."""

from __future__ import annotations

import pytest

from centralita.core.errors import InvalidInput
from centralita.ivr.resume import NOTE, read_note
from centralita.ivr.signals import QueueExit
from centralita.telephony.call import EndReason
from tests.support.flows import flow
from tests.support.line import on_the_line
from tests.unit.ivr.test_driver import MENU

VIRTUAL_TIME = True

OUTER = flow(
    """
    inner: {type: subflow, flow: inner, next: bye}
    bye: {type: hangup, prompt: Adiós}
    """,
    name="outer",
)
INNER = flow(
    """
    ask: {type: gather, prompt: Número, variable: n, minimum: 2, maximum: 2, next: back}
    back: {type: return}
    """,
    name="inner",
)


async def test_a_menu_is_asked_again_and_takes_its_answer() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        kept = await line.is_killed()
        line.leg.playing = ()
        line.is_taken_over(kept)
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        assert line.path == ["menu", "menu", "sales"]


async def test_who_waits_goes_on_waiting_without_a_word() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        line.is_taken_over(await line.is_killed())
        await line.passes(1)
        assert line.queue.waiting == ["sales"] and not line.leg.playing
        line.queue.leave(QueueExit.MAX_WAIT, None)
        await line.hears("Deje")


async def test_who_was_leaving_a_message_is_asked_for_it_again() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        line.queue.leave(QueueExit.MAX_WAIT, None)
        await line.hears_out("Deje")
        await line.hears_out("beep")
        line.is_taken_over(await line.is_killed())
        await line.hears_out("Deje")
        await line.hears("beep")


async def test_a_subflow_returns_to_the_flow_that_called_it() -> None:
    async with on_the_line(OUTER, INNER) as line:
        await line.hears("Número")
        line.is_taken_over(await line.is_killed())
        await line.hears("Número")
        line.presses("12")
        await line.hears_out("Adiós")
        ended = await line.is_over()
        assert ended.flow == "outer" and ended.variables["n"] == "12"


@pytest.mark.parametrize("meanwhile", ["nothing", "answered", "refused"])
async def test_a_transfer_that_rang_is_seen_through(meanwhile: str) -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        await line.until(lambda: "transfer_leg" in line.leg.notes.get(NOTE, ""))
        kept = await line.is_killed()
        line.is_taken_over(kept)
        # What happened meanwhile is told by the server, in its events.
        if meanwhile == "refused":
            line.control.refuses(phone, EndReason.BUSY)
            await line.hears("Diga")
        else:
            if meanwhile == "nothing":
                await line.passes(5)
            line.control.answers(phone)
            await line.until(lambda: line.leg.other == phone.leg_id)


async def test_a_transfer_in_conversation_goes_on() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        line.control.answers(phone)
        await line.until(lambda: line.leg.other == phone.leg_id)
        line.is_taken_over(await line.is_killed())
        await line.passes(60)
        assert line.leg.other == phone.leg_id and line.end is None
        line.control.hangs_up(phone)
        await line.is_over()
        assert line.end is EndReason.CONVERSATION_ENDED


async def test_a_way_out_of_a_fault_is_found_again() -> None:
    async with on_the_line(MENU) as line:
        line.voice.broken.add("Espere")
        await line.hears("Diga")
        line.presses("1")
        await line.hears("Disculpe")
        kept = await line.is_killed()
        line.leg.playing = ()
        line.is_taken_over(kept)
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["office"])


async def test_a_caller_who_hung_up_meanwhile_is_let_go() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        await line.is_killed()
        line.hangs_up()
        line.is_taken_over(line.control.new_brain())
        ended = await line.is_over()
        assert ended.outcome == "hung_up" and line.path == ["menu"]


def test_a_note_that_we_did_not_write_is_refused() -> None:
    with pytest.raises(InvalidInput, match="note of a flow"):
        read_note("{}")
