"""What everybody relies on in `CallControl`: the scripted one and the real worker keep it alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.core.ids import LegId
from centralita.telephony.attempts import Attempt
from centralita.telephony.call import (
    AudioSink,
    CallArrived,
    DigitReceived,
    EndReason,
    LegAnswered,
    LegDirection,
    LegEnded,
    LegHeld,
    LegRinging,
    LegsBridged,
    NoSuchLeg,
    PlaybackEnd,
    PlaybackEnded,
    RecordingStopped,
    TransferRequested,
)
from tests.support.telephony import Outside, Stage, fake_stage, real_stage, tone, write_wav


@pytest.fixture(params=["fake", "worker"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    if request.param == "fake":
        async with fake_stage() as fake:
            yield fake
    else:
        async with real_stage() as real:
            yield real


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "prompt.wav", tone(440, 0.2))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "music.wav", tone(880, 0.2))


async def answered(stage: Stage) -> Outside:
    """A caller whose call we have answered."""
    caller = await stage.calls("100")
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)
    return caller


async def together(stage: Stage) -> tuple[Outside, Outside]:
    """A caller and an agent who hear each other."""
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    await stage.log.next(LegsBridged, caller.leg_id)
    await stage.log.next(LegsBridged, agent.leg_id)
    return caller, agent


async def everything_settled(stage: Stage) -> None:
    """Events keep their order: when a later call has come and gone, all of the past has come."""
    fence = await stage.calls("fence")
    await stage.control.hang_up(fence.leg_id, EndReason.DECLINED)
    await stage.log.next(LegEnded, fence.leg_id)


def kinds(stage: Stage, leg_id: LegId) -> list[str]:
    return [type(event).__name__ for event in stage.log.of(leg_id)]


async def test_a_call_is_answered_once(stage: Stage) -> None:
    caller = await answered(stage)
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id) == ["CallArrived", "LegAnswered"]


async def test_early_media_comes_before_the_answer(stage: Stage, prompt: Path) -> None:
    caller = await stage.calls("100")
    await stage.control.ring(caller.leg_id)
    await stage.control.answer(caller.leg_id, early=True)
    await stage.control.play(caller.leg_id, [prompt])
    await caller.hears_out()
    ended = await stage.log.next(PlaybackEnded, caller.leg_id)
    assert ended.how is PlaybackEnd.COMPLETED
    assert "LegAnswered" not in kinds(stage, caller.leg_id)
    await stage.control.answer(caller.leg_id)
    await stage.log.next(LegAnswered, caller.leg_id)


@pytest.mark.parametrize("reason", [EndReason.BUSY, EndReason.UNREACHABLE, EndReason.SHUTDOWN])
async def test_a_call_can_be_refused(stage: Stage, reason: EndReason) -> None:
    caller = await stage.calls("100")
    await stage.control.hang_up(caller.leg_id, reason)
    ended = await stage.log.next(LegEnded, caller.leg_id)
    assert ended.reason is reason
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id) == ["CallArrived", "LegEnded"]


async def test_a_caller_who_cancels_before_the_answer_is_gone(stage: Stage) -> None:
    caller = await stage.calls("100")
    await stage.control.ring(caller.leg_id)
    await caller.hangs_up()
    assert (await stage.log.next(LegEnded, caller.leg_id)).reason is EndReason.CANCELLED
    with pytest.raises(NoSuchLeg):
        await stage.control.answer(caller.leg_id)


async def test_prompts_play_in_a_row_and_end_once(stage: Stage, prompt: Path, music: Path) -> None:
    caller = await answered(stage)
    playback = await stage.control.play(caller.leg_id, [prompt, music, prompt])
    await caller.hears_out()
    ended = await stage.log.next(PlaybackEnded, caller.leg_id)
    assert (ended.playback_id, ended.how) == (playback, PlaybackEnd.COMPLETED)
    await stage.control.stop_playing(caller.leg_id)
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id).count("PlaybackEnded") == 1


async def test_a_loop_plays_until_it_is_stopped(stage: Stage, music: Path) -> None:
    caller = await answered(stage)
    playback = await stage.control.play(caller.leg_id, [music], loop=True)
    for _ in range(5):  # rounds
        await caller.hears_out()
    await everything_settled(stage)
    assert "PlaybackEnded" not in kinds(stage, caller.leg_id)
    await stage.control.stop_playing(caller.leg_id)
    ended = await stage.log.next(PlaybackEnded, caller.leg_id)
    assert (ended.playback_id, ended.how) == (playback, PlaybackEnd.STOPPED)


async def test_a_new_playback_replaces_the_running_one(
    stage: Stage, prompt: Path, music: Path
) -> None:
    caller = await answered(stage)
    first = await stage.control.play(caller.leg_id, [music], loop=True)
    second = await stage.control.play(caller.leg_id, [prompt])
    await caller.hears_out()
    ends = [await stage.log.next(PlaybackEnded, caller.leg_id) for _ in range(2)]
    assert [(end.playback_id, end.how) for end in ends] == [
        (first, PlaybackEnd.STOPPED),
        (second, PlaybackEnd.COMPLETED),
    ]
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id).count("PlaybackEnded") == 2


async def test_a_hang_up_ends_the_playback_first_and_the_leg_last(
    stage: Stage, music: Path
) -> None:
    caller = await answered(stage)
    await stage.control.play(caller.leg_id, [music], loop=True)
    await caller.hangs_up()
    ended = await stage.log.next(LegEnded, caller.leg_id)
    assert ended.reason is EndReason.REMOTE_HANGUP
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id)[-2:] == ["PlaybackEnded", "LegEnded"]


async def test_every_key_arrives_in_order(stage: Stage) -> None:
    caller = await answered(stage)
    await caller.presses("159*0#")
    heard = [(await stage.log.next(DigitReceived, caller.leg_id)).digit for _ in range(6)]
    assert "".join(heard) == "159*0#"
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id).count("DigitReceived") == 6


async def test_listening_can_be_moved_and_stopped(stage: Stage, tmp_path: Path) -> None:
    caller = await answered(stage)
    await stage.control.listen(caller.leg_id, AudioSink(path=str(tmp_path / "a"), stream=1))
    await stage.control.listen(caller.leg_id, AudioSink(path=str(tmp_path / "b"), stream=2))
    await stage.control.stop_listening(caller.leg_id)
    await stage.control.stop_listening(caller.leg_id)


async def test_each_recording_stops_once_and_before_its_leg_ends(
    stage: Stage, tmp_path: Path
) -> None:
    caller, agent = await together(stage)
    tracks = {caller.leg_id: tmp_path / "caller.wav", agent.leg_id: tmp_path / "agent.wav"}
    await stage.control.start_recording(tracks)
    await stage.control.stop_recording(agent.leg_id)
    stopped = await stage.log.next(RecordingStopped, agent.leg_id)
    assert stopped.path == str(tracks[agent.leg_id])
    await stage.control.stop_recording(agent.leg_id)
    await caller.hangs_up()
    await stage.log.next(LegEnded, caller.leg_id)
    await everything_settled(stage)
    assert kinds(stage, caller.leg_id)[-2:] == ["RecordingStopped", "LegEnded"]
    assert kinds(stage, agent.leg_id).count("RecordingStopped") == 1


async def test_a_dialled_phone_rings_and_answers(stage: Stage) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.rings()
    await stage.log.next(LegRinging, agent.leg_id)
    await agent.answers()
    up = await stage.log.next(LegAnswered, agent.leg_id)
    assert up.call_id == caller.call_id


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (486, EndReason.BUSY),
        (603, EndReason.DECLINED),
        (480, EndReason.UNREACHABLE),
        (404, EndReason.NO_SUCH_NUMBER),
        (410, EndReason.NO_SUCH_NUMBER),
        (484, EndReason.NO_SUCH_NUMBER),
        (604, EndReason.NO_SUCH_NUMBER),
        (403, EndReason.LINE_REFUSED),
        (500, EndReason.LINE_DOWN),
        (503, EndReason.LINE_DOWN),
        (504, EndReason.LINE_DOWN),
        (408, EndReason.LINE_DOWN),
        (488, EndReason.REJECTED),
    ],
)
async def test_a_dialled_phone_refuses(stage: Stage, status: int, meaning: EndReason) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.refuses(status, meaning)
    assert (await stage.log.next(LegEnded, agent.leg_id)).reason is meaning
    await everything_settled(stage)
    assert kinds(stage, agent.leg_id).count("LegEnded") == 1
    assert "LegEnded" not in kinds(stage, caller.leg_id)


@pytest.mark.parametrize("status", [403, 500, 503, 408])
async def test_a_closed_way_is_followed_by_the_next_one_without_a_word(
    stage: Stage, status: int
) -> None:
    caller = await answered(stage)
    first = await stage.dials(caller, ways=2)
    stage.control.remember(first.leg_id, "queue", "sales")
    await first.refuses(status, EndReason.LINE_DOWN)
    second = await stage.is_dialled_again(first)
    await second.rings()
    await stage.log.next(LegRinging, first.leg_id)
    await second.answers()
    await stage.log.next(LegAnswered, first.leg_id)
    await everything_settled(stage)
    assert kinds(stage, first.leg_id) == ["LegRinging", "LegAnswered"]
    (kept,) = [one for one in await stage.new_brain() if one.leg_id == first.leg_id]
    assert kept.notes == {"queue": "sales"}


async def test_the_last_way_is_the_end(stage: Stage) -> None:
    caller = await answered(stage)
    first = await stage.dials(caller, ways=2)
    await first.refuses(403, EndReason.LINE_REFUSED)
    second = await stage.is_dialled_again(first)
    await second.refuses(503, EndReason.LINE_DOWN)
    assert (await stage.log.next(LegEnded, first.leg_id)).reason is EndReason.LINE_DOWN
    await everything_settled(stage)
    assert kinds(stage, first.leg_id) == ["LegEnded"]


async def test_what_a_person_says_is_asked_of_nobody_else(stage: Stage) -> None:
    caller = await answered(stage)
    busy = await stage.dials(caller, ways=2)
    await busy.refuses(486, EndReason.BUSY)
    assert (await stage.log.next(LegEnded, busy.leg_id)).reason is EndReason.BUSY
    rung = await stage.dials(caller, ways=2)
    await rung.rings()
    await stage.log.next(LegRinging, rung.leg_id)
    await rung.refuses(503, EndReason.LINE_DOWN)
    assert (await stage.log.next(LegEnded, rung.leg_id)).reason is EndReason.LINE_DOWN


async def test_a_hang_up_ends_whichever_attempt_is_being_made(stage: Stage) -> None:
    caller = await answered(stage)
    first = await stage.dials(caller, ways=3)
    await first.refuses(503, EndReason.LINE_DOWN)
    await stage.is_dialled_again(first)
    await stage.control.hang_up(first.leg_id, EndReason.OFFER_WITHDRAWN)
    assert (await stage.log.next(LegEnded, first.leg_id)).reason is EndReason.OFFER_WITHDRAWN
    await everything_settled(stage)
    assert kinds(stage, first.leg_id) == ["LegEnded"]


async def test_ringing_stops_when_we_withdraw(stage: Stage) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.rings()
    await stage.log.next(LegRinging, agent.leg_id)
    await stage.control.hang_up(agent.leg_id, EndReason.OFFER_WITHDRAWN)
    assert (await stage.log.next(LegEnded, agent.leg_id)).reason is EndReason.OFFER_WITHDRAWN


async def test_what_comes_before_the_answer_takes_the_place_of_what_plays(
    stage: Stage, music: Path
) -> None:
    caller = await answered(stage)
    agent = await stage.dials(caller)
    await agent.rings()
    assert not (await stage.log.next(LegRinging, agent.leg_id)).early
    await stage.control.play(caller.leg_id, [music], loop=True)
    await stage.control.hear_early(caller.leg_id, agent.leg_id)
    assert (await stage.log.next(PlaybackEnded, caller.leg_id)).how is PlaybackEnd.STOPPED
    await stage.control.unbridge(caller.leg_id)
    await stage.control.hear_early(caller.leg_id, agent.leg_id)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    assert (await stage.log.next(LegsBridged, caller.leg_id)).other == agent.leg_id
    await agent.hangs_up()
    await stage.log.next(LegEnded, agent.leg_id)


async def test_a_bridge_ends_what_plays_and_tells_both(stage: Stage, music: Path) -> None:
    caller = await answered(stage)
    await stage.control.play(caller.leg_id, [music], loop=True)
    agent = await stage.dials(caller)
    await agent.answers()
    await stage.log.next(LegAnswered, agent.leg_id)
    await stage.control.bridge(caller.leg_id, agent.leg_id)
    ended = await stage.log.next(PlaybackEnded, caller.leg_id)
    assert ended.how is PlaybackEnd.STOPPED
    assert (await stage.log.next(LegsBridged, caller.leg_id)).other == agent.leg_id
    assert (await stage.log.next(LegsBridged, agent.leg_id)).other == caller.leg_id


async def test_unbridged_legs_stay_up(stage: Stage, prompt: Path) -> None:
    caller, agent = await together(stage)
    await stage.control.unbridge(agent.leg_id)
    await stage.control.play(caller.leg_id, [prompt])
    await caller.hears_out()
    await stage.log.next(PlaybackEnded, caller.leg_id)
    assert "LegEnded" not in kinds(stage, caller.leg_id) + kinds(stage, agent.leg_id)


async def test_one_who_hangs_up_leaves_the_other_up(stage: Stage) -> None:
    caller, agent = await together(stage)
    await agent.hangs_up()
    assert (await stage.log.next(LegEnded, agent.leg_id)).reason is EndReason.REMOTE_HANGUP
    await stage.control.hang_up(caller.leg_id, EndReason.CONVERSATION_ENDED)
    ended = await stage.log.next(LegEnded, caller.leg_id)
    assert ended.reason is EndReason.CONVERSATION_ENDED


async def test_the_other_side_holds_and_comes_back(stage: Stage) -> None:
    caller, agent = await together(stage)
    await agent.holds(True)
    assert (await stage.log.next(LegHeld, agent.leg_id)).held
    await agent.holds(False)
    assert not (await stage.log.next(LegHeld, agent.leg_id)).held
    await everything_settled(stage)
    assert kinds(stage, agent.leg_id).count("LegHeld") == 2
    assert "LegHeld" not in kinds(stage, caller.leg_id)


async def test_refer_becomes_a_request_to_transfer(stage: Stage) -> None:
    caller, agent = await together(stage)
    await agent.refers("sip:202@127.0.0.1")
    asked = await stage.log.next(TransferRequested, agent.leg_id)
    assert (asked.call_id, asked.target) == (caller.call_id, "sip:202@127.0.0.1")


async def test_refer_with_replaces_names_the_other_call_of_the_phone(stage: Stage) -> None:
    caller, agent = await together(stage)
    second = await stage.dials(caller)
    await second.answers()
    await stage.log.next(LegAnswered, second.leg_id)
    await agent.refers("sip:202@127.0.0.1", second)
    asked = await stage.log.next(TransferRequested, agent.leg_id)
    assert (asked.target, asked.replaces) == ("sip:202@127.0.0.1", second.leg_id)


async def test_who_sent_refer_is_told_how_it_went(stage: Stage) -> None:
    caller, agent = await together(stage)
    await agent.refers("sip:202@127.0.0.1")
    await stage.log.next(TransferRequested, agent.leg_id)
    await stage.control.report_transfer(agent.leg_id, 200)
    await stage.control.hang_up(agent.leg_id, EndReason.TRANSFERRED)
    await stage.log.next(LegEnded, agent.leg_id)
    assert (await agent.is_told())[-1] == "200"
    assert "LegEnded" not in kinds(stage, caller.leg_id)


async def joined(stage: Stage) -> tuple[Outside, Outside, Outside]:
    """A caller, an agent and a third who hear each other."""
    caller, agent = await together(stage)
    third = await stage.dials(caller)
    await third.answers()
    await stage.log.next(LegAnswered, third.leg_id)
    await stage.control.join([caller.leg_id, agent.leg_id, third.leg_id])
    return caller, agent, third


async def others_of(stage: Stage, leg: Outside) -> set[LegId]:
    await everything_settled(stage)
    return {event.other for event in stage.log.of(leg.leg_id) if isinstance(event, LegsBridged)}


async def test_three_who_are_joined_are_told_of_those_they_did_not_hear_before(
    stage: Stage,
) -> None:
    caller, agent, third = await joined(stage)
    assert await others_of(stage, caller) == {agent.leg_id, third.leg_id}
    assert await others_of(stage, third) == {caller.leg_id, agent.leg_id}
    assert kinds(stage, caller.leg_id).count("LegsBridged") == 2


async def test_one_of_three_who_leaves_leaves_two_together(stage: Stage) -> None:
    caller, agent, third = await joined(stage)
    await stage.control.unbridge(agent.leg_id)
    for leg in (caller, third):
        stage.control.remember(leg.leg_id, "flow", "x")
    stage.control.remember(agent.leg_id, "flow", "x")
    await everything_settled(stage)
    kept = {leg.leg_id: leg.other for leg in await stage.new_brain()}
    assert kept[caller.leg_id] == third.leg_id
    assert kept[third.leg_id] == caller.leg_id
    assert kept[agent.leg_id] is None


async def test_joining_two_of_three_leaves_the_third_alone(stage: Stage) -> None:
    caller, agent, third = await joined(stage)
    await stage.control.join([agent.leg_id, third.leg_id])
    for leg in (caller, agent, third):
        stage.control.remember(leg.leg_id, "flow", "x")
    await everything_settled(stage)
    kept = {leg.leg_id: leg.other for leg in await stage.new_brain()}
    assert (kept[caller.leg_id], kept[agent.leg_id]) == (None, third.leg_id)


async def test_a_pause_of_the_recording_ends_with_the_recording(
    stage: Stage, tmp_path: Path
) -> None:
    caller, agent = await together(stage)
    await stage.control.pause_recording(caller.leg_id, True)  # of nothing
    tracks = {caller.leg_id: tmp_path / "caller.wav", agent.leg_id: tmp_path / "agent.wav"}
    await stage.control.start_recording(tracks)
    for leg in (caller, agent):
        await stage.control.pause_recording(leg.leg_id, True)
        await stage.control.pause_recording(leg.leg_id, True)
    await stage.control.pause_recording(caller.leg_id, False)
    for leg in (caller, agent):
        await stage.control.stop_recording(leg.leg_id)
        await stage.log.next(RecordingStopped, leg.leg_id)


async def test_the_first_leg_of_a_call_can_be_dialled_beside_nobody(stage: Stage) -> None:
    phone = await stage.dials(None)
    await phone.answers()
    await stage.log.next(LegAnswered, phone.leg_id)


async def test_a_leg_that_has_ended_takes_no_commands(
    stage: Stage, prompt: Path, tmp_path: Path
) -> None:
    caller = await answered(stage)
    other = await answered(stage)
    gone = caller.leg_id
    await stage.control.hang_up(gone, EndReason.FLOW_ENDED)
    await stage.log.next(LegEnded, gone)
    control = stage.control
    for command in (
        control.answer(gone),
        control.ring(gone),
        control.play(gone, [prompt]),
        control.stop_playing(gone),
        control.listen(gone, AudioSink(path=str(tmp_path / "sink"), stream=1)),
        control.stop_listening(gone),
        control.send_digits(gone, "1"),
        control.start_recording({gone: tmp_path / "r.wav"}),
        control.stop_recording(gone),
        control.pause_recording(gone, True),
        control.join([gone, other.leg_id]),
        control.report_transfer(gone, 200),
        control.dial(
            caller.call_id, LegId("leg_new"), [Attempt(uri="sip:201@127.0.0.1:9")], beside=gone
        ),
        control.bridge(gone, other.leg_id),
        control.bridge(other.leg_id, gone),
        control.unbridge(gone),
        control.transfer(gone, "sip:202@127.0.0.1"),
        control.hang_up(gone, EndReason.FLOW_ENDED),
    ):
        with pytest.raises(NoSuchLeg):
            await command
    await everything_settled(stage)
    assert kinds(stage, gone)[-1] == "LegEnded"
    assert kinds(stage, gone).count("LegEnded") == 1


async def test_who_takes_over_finds_the_legs_with_their_notes(stage: Stage) -> None:
    caller, agent = await together(stage)
    stage.control.remember(caller.leg_id, "flow", "first")
    stage.control.remember(caller.leg_id, "flow", "second")
    stage.control.remember(caller.leg_id, "queue", "sales")
    stage.control.remember(caller.leg_id, "queue", "")
    await everything_settled(stage)
    kept = {leg.leg_id: leg for leg in await stage.new_brain()}
    assert kept.keys() == {caller.leg_id, agent.leg_id}
    assert kept[caller.leg_id].notes == {"flow": "second"}
    assert (kept[caller.leg_id].other, kept[agent.leg_id].other) == (agent.leg_id, caller.leg_id)
    assert kept[agent.leg_id].answered and kept[agent.leg_id].direction is LegDirection.OUT
    await stage.control.hang_up(caller.leg_id, EndReason.FLOW_ENDED)
    await stage.log.next(LegEnded, caller.leg_id)


async def test_who_takes_over_hears_of_a_leg_that_has_ended(stage: Stage) -> None:
    caller = await answered(stage)
    stage.control.remember(caller.leg_id, "flow", "first")
    await stage.control.hang_up(caller.leg_id, EndReason.FLOW_ENDED)
    await stage.log.next(LegEnded, caller.leg_id)
    (kept,) = await stage.new_brain()
    assert kept.ended is not None and kept.ended.reason is EndReason.FLOW_ENDED
    assert kept.notes == {"flow": "first"}


async def test_who_takes_over_hears_of_a_call_that_ended_before_anybody_noted_it(
    stage: Stage,
) -> None:
    caller = await answered(stage)
    await stage.control.hang_up(caller.leg_id, EndReason.FLOW_ENDED)
    await stage.log.next(LegEnded, caller.leg_id)
    (kept,) = await stage.new_brain()
    assert (kept.leg_id, kept.notes) == (caller.leg_id, {})
    assert kept.ended is not None and kept.ended.reason is EndReason.FLOW_ENDED


async def test_a_call_without_a_note_arrives_again(stage: Stage) -> None:
    caller = await answered(stage)
    assert await stage.new_brain() == []
    assert (await stage.log.next(CallArrived)).leg_id == caller.leg_id
    await stage.control.answer(caller.leg_id)  # once more: nothing happens
    await stage.control.hang_up(caller.leg_id, EndReason.FLOW_ENDED)
    await stage.log.next(LegEnded, caller.leg_id)
