"""Calls from the answer to the end, in virtual time: keys, speech, messages, and what breaks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from centralita.asr.fake import utterance
from centralita.asr.recognizer import SpeechStarted
from centralita.ivr.signals import CallNumber, QueueExit
from centralita.telephony.call import EndReason
from tests.support.flows import flow
from tests.support.line import Line, on_the_line

VIRTUAL_TIME = True

MENU = flow(
    """
    menu:
      type: menu
      prompt: Diga
      choices:
        - {key: "1", say: [ventas], next: sales}
        - {key: "2", say: [mensaje], next: message}
        - {key: "3", next: away}
        - {key: "4", next: number}
      turn: {timeout: 5s}
      on_failure: bye
    sales: {type: enqueue, queue: sales, prompt: Espere, otherwise: message}
    message:
      type: voicemail
      queue: sales
      greeting: Deje
      silence: 4s
      max_length: 60s
      next: bye
    away: {type: transfer, target: "201", timeout: 20s, on_failure: menu}
    number: {type: gather, prompt: Número, variable: n, maximum: 3, next: bye}
    bye: {type: hangup, prompt: Adiós}
    """
)


async def test_a_key_leads_to_the_queue() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        assert (await line.recognizer.next_stream(0)).closed


async def test_a_word_leads_to_the_queue_and_cuts_the_prompt() -> None:
    async with on_the_line(MENU) as line:
        ear = await line.ear(0)
        await line.hears("Diga")
        ear.hears(SpeechStarted(at=timedelta(0)))
        await line.until(lambda: line.leg.playing == ())
        ear.hears(utterance("ventas"))
        await line.hears("Espere")
        assert line.leg.sink is None


async def test_silence_is_asked_again_and_ends() -> None:
    async with on_the_line(MENU) as line:
        await line.hears_out("Diga")
        for _ in range(2):
            await line.passes(5)
            await line.hears("Diga")
            assert str(line.leg.playing[0]) == "No he oído nada."
            line.control.hears_out(line.leg)
        await line.passes(5)
        await line.hears_out("Adiós")
        ended = await line.is_over()
        assert line.end is EndReason.FLOW_ENDED
        assert ended.outcome == "unserved"
        assert [step.note for step in ended.path] == ["no_input", "self_service"]


async def test_a_recogniser_that_dies_costs_one_question_not_the_call() -> None:
    async with on_the_line(MENU) as line:
        (await line.ear(0)).fails()
        await line.until(lambda: len(line.recognizer.opened) == 2, "not asked again")
        await line.hears("Diga")
        await line.says("ventas", question=1)
        await line.hears("Espere")


async def test_after_two_failures_the_keys_still_work() -> None:
    async with on_the_line(MENU) as line:
        (await line.ear(0)).fails()
        await line.until(lambda: len(line.recognizer.opened) == 2, "not asked again")
        (await line.ear(1)).fails()
        await line.until(
            lambda: str(next(iter(line.leg.playing), "")).startswith("Ahora mismo no puedo")
        )
        line.presses("1")
        await line.hears("Espere")
        assert len(line.recognizer.opened) == 2


async def test_no_recogniser_at_all_leaves_the_keys() -> None:
    line: Line
    async with on_the_line(MENU) as line:
        line.recognizer.down = True
        await line.passes(0.1)
        await line.until(
            lambda: str(next(iter(line.leg.playing), "")).startswith("Ahora mismo no puedo")
        )
        line.presses("1")
        await line.hears("Espere")


async def test_words_that_come_too_late_answer_no_later_question() -> None:
    """Key and word at the same instant: the word belongs to the question that is past."""
    async with on_the_line(MENU) as line:
        ear = await line.ear(0)
        await line.hears("Diga")
        line.presses("4")
        ear.says("mensaje")
        await line.hears("Número")
        line.presses("123")
        await line.hears("Adiós")
        assert line.path == ["menu", "number", "bye"]
        assert [str(file) for file in line.leg.played] == ["Diga", "Número", "Adiós"]


# --- messages -------------------------------------------------------------------------------------


async def leaving_a_message(line: Line) -> None:
    await line.hears("Diga")
    line.presses("2")
    await line.hears_out("Deje")
    await line.hears_out("beep")
    await line.until(lambda: line.tapes.running is not None, "nothing is recorded")


async def test_a_message_ends_with_silence() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        await line.says("hola soy ana", question=1)
        await line.passes(3.5)
        assert line.tapes.kept == []
        await line.passes(0.6)
        await line.hears_out("Gracias")
        await line.hears("Adiós")
        assert line.tapes.kept == [line.tapes.running]


async def test_a_breath_does_not_end_the_message() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        await line.says("hola", question=1)
        await line.passes(3)
        (await line.ear(1)).hears(SpeechStarted(at=timedelta(seconds=3)))
        await line.passes(10)
        assert line.tapes.kept == []


async def test_a_key_ends_the_message() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        await line.says("hola soy ana", question=1)
        line.presses("5#")
        await line.hears("Gracias")
        assert line.tapes.kept == [line.tapes.running]


async def test_a_key_is_no_message() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        line.presses("#")
        await line.hears_out("Adiós")
        await line.is_over()
        assert (line.tapes.kept, line.tapes.forgotten) == ([], [line.tapes.running])


async def test_the_longest_message_ends_by_itself() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        (await line.ear(1)).hears(SpeechStarted(at=timedelta(0)))
        await line.passes(59)
        assert line.tapes.kept == []
        await line.passes(1.1)
        await line.hears("Gracias")


async def test_hanging_up_keeps_the_message() -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        await line.says("llámeme", question=1)
        await line.passes(1)
        line.hangs_up()
        await line.is_over()
        assert line.tapes.kept == [line.tapes.running]


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_message_without_a_word_is_forgotten(hangs_up: bool) -> None:
    async with on_the_line(MENU) as line:
        await leaving_a_message(line)
        if hangs_up:
            await line.passes(1)
            line.hangs_up()
        else:
            await line.passes(7.1)
            await line.hears_out("Adiós")
        await line.is_over()
        assert (line.tapes.kept, line.tapes.forgotten) == ([], [line.tapes.running])


async def test_without_ears_the_message_is_kept_to_be_sure() -> None:
    async with on_the_line(MENU) as line:
        line.recognizer.down = True
        await leaving_a_message(line)
        await line.passes(30)
        line.hangs_up()
        await line.is_over()
        assert line.tapes.kept == [line.tapes.running]


async def test_a_message_that_cannot_be_recorded_is_not_thanked_for() -> None:
    async with on_the_line(MENU) as line:
        line.tapes.broken = True
        await line.hears("Diga")
        line.presses("2")
        await line.hears_out("Deje")
        await line.hears_out("beep")
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["office"])


# --- what breaks ----------------------------------------------------------------------------------


async def test_a_prompt_that_cannot_be_made_leads_to_a_person() -> None:
    async with on_the_line(MENU) as line:
        line.voice.broken.add("Espere")
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["office"])


async def test_the_very_first_prompt_may_fail_as_well() -> None:
    async with on_the_line(MENU) as line:
        line.voice.broken.add("Diga")
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["office"])
        assert line.end is None


async def test_a_caller_reaches_a_person_even_without_any_voice() -> None:
    async with on_the_line(MENU, dumb=True) as line:
        await line.until(lambda: line.queue.waiting == ["office"])
        assert line.end is None


async def test_without_voice_nor_agents_the_call_ends_properly() -> None:
    async with on_the_line(MENU, dumb=True) as line:
        await line.until(lambda: line.queue.waiting == ["office"])
        line.queue.leave(QueueExit.EMPTY, None)
        ended = await line.is_over()
        assert line.end is EndReason.FLOW_ENDED
        assert "fault" in [step.kind for step in ended.path]


async def test_a_queue_that_does_not_exist_leads_to_another_one() -> None:
    lost = flow(
        """
        sales: {type: enqueue, queue: nowhere, otherwise: bye}
        bye: {type: hangup}
        """
    )
    async with on_the_line(lost) as line:
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["office"])


# --- transfers ------------------------------------------------------------------------------------


async def test_a_transfer_connects_and_ends_with_either() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        assert phone.target == "sip:201@outside"
        await line.hears("ringing")
        line.control.answers(phone)
        await line.until(lambda: line.leg.other == phone.leg_id)
        line.control.hangs_up(phone)
        await line.is_over()
        assert line.end is EndReason.CONVERSATION_ENDED


@pytest.mark.parametrize("answers", [False, True])
async def test_a_transfer_that_reaches_nobody_goes_on(answers: bool) -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        if answers:
            line.control.refuses(phone, EndReason.BUSY)
        else:
            await line.passes(20.1)
            assert line.control.ended[phone.leg_id] is EndReason.NO_ANSWER
        await line.hears("Diga")


async def test_what_the_other_network_sends_before_the_answer_takes_the_place_of_our_music() -> (
    None
):
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        await line.hears("ringing")
        line.control.rings(phone, early=True)
        await line.until(lambda: line.leg.hears_early == phone.leg_id and not line.leg.playback)
        line.control.rings(phone)
        await line.hears("ringing")
        assert line.leg.hears_early is None
        line.control.answers(phone)
        await line.until(lambda: line.leg.other == phone.leg_id)


async def test_a_caller_whose_partner_has_died_hears_music_until_he_is_back() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        line.control.answers(phone)
        await line.until(lambda: line.leg.other == phone.leg_id)
        line.control.falls_silent(phone, True)
        await line.hears("ringing")
        assert line.leg.other is None
        line.control.falls_silent(phone, False)
        await line.until(lambda: line.leg.other == phone.leg_id)


async def test_a_caller_who_hangs_up_stops_the_ringing() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("3")
        phone = await line.control.next_dialled()
        line.hangs_up()
        await line.is_over()
        assert phone.leg_id in line.control.ended


async def test_an_agent_gives_the_caller_to_another_number() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        line.queue.leave(QueueExit.CONVERSATION_ENDED, CallNumber(target="sip:900@centralita"))
        phone = await line.control.next_dialled()
        assert phone.target == "sip:900@centralita"
        line.control.answers(phone)
        await line.until(lambda: line.leg.other == phone.leg_id)


async def test_a_transfer_by_an_agent_that_fails_leads_to_a_person() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        line.queue.leave(QueueExit.CONVERSATION_ENDED, CallNumber(target="sip:666@centralita"))
        await line.hears_out("Disculpe")
        await line.until(lambda: line.queue.waiting == ["sales", "office"])


async def test_a_transfer_says_on_whose_account_it_is_and_takes_back_what_was_not_dialled() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.presses("1")
        await line.hears_out("Espere")
        await line.until(lambda: line.queue.waiting == ["sales"])
        line.queue.leave(
            QueueExit.CONVERSATION_ENDED, CallNumber(target="sip:900@centralita", by="agent_ana")
        )
        await line.control.next_dialled()
        assert line.targets.asked == [("sip:900@centralita", "test", "agent_ana")]
        assert line.targets.withdrawn == []
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.control.unreachable.add("sip:201@outside")
        line.presses("3")
        await line.until(lambda: len(line.targets.withdrawn) == 1)
        assert line.targets.asked == [("201", "test", None)]
        await line.hears("Diga")


# --- the end --------------------------------------------------------------------------------------


async def test_shutdown_ends_the_call_with_its_reason() -> None:
    async with on_the_line(MENU) as line:
        await line.hears("Diga")
        line.driver.end(EndReason.SHUTDOWN)
        ended = await line.is_over()
        assert line.end is EndReason.SHUTDOWN
        assert ended.outcome == "hung_up"


async def test_a_hang_up_in_mid_question_leaves_nothing_open() -> None:
    async with on_the_line(MENU) as line:
        ear = await line.ear(0)
        line.hangs_up()
        ended = await line.is_over()
        assert ear.closed
        assert ended.path[-1].node == "menu"


async def test_a_caller_who_is_gone_before_the_answer_is_let_go() -> None:
    line = Line(MENU, ())
    line.hangs_up()
    line.driver.caller_gone()
    line.start()
    await line.is_over()
    await line.close()
