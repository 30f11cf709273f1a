"""Transcripts after the call: tried again, and caught up with after a restart."""

from __future__ import annotations

from pathlib import Path

from centralita.asr.fake import FakeRecognition, utterance
from centralita.asr.recognizer import RecognizerError
from centralita.recordings.recorder import RecordingMade
from centralita.server.transcriber import TranscriptMade
from centralita.timeline.model import TaskKind
from tests.support.house import open_center_house


async def test_a_recogniser_that_is_away_for_a_moment_costs_no_transcript(tmp_path: Path) -> None:
    async with open_center_house(tmp_path) as house:
        caller = await house.leaves_a_message()
        house.recognizer.script(utterance("llámeme mañana"))
        start = house.recognizer.start
        refused: list[str] = []

        async def refuses_once(
            language: str, phrases: tuple[str, ...] | None, *, spare: int | None = None
        ) -> FakeRecognition:
            if not refused:
                refused.append(language)
                raise RecognizerError("no recogniser is running")
            return await start(language, phrases)

        house.recognizer.start = refuses_once  # type: ignore[method-assign]
        house.control.hangs_up(caller)
        made = await house.hears_of(TranscriptMade)
        assert refused == ["es"]
        assert made.pii_text == "llámeme mañana"


async def test_what_the_last_run_did_not_transcribe_is_caught_up_with_its_task(
    tmp_path: Path,
) -> None:
    async with open_center_house(tmp_path) as house:
        await house.transcriber.close()
        caller = await house.leaves_a_message()
        house.control.hangs_up(caller)
        await house.is_over(caller)
        await house.hears_of(RecordingMade)
        await house.calls.written()
        (task,) = await house.tasks()
        assert (task.kind, task.text) == (TaskKind.VOICEMAIL, "")
    async with open_center_house(tmp_path) as house:
        house.recognizer.script(utterance("llámeme mañana"))
        await house.transcriber.catch_up()
        made = await house.hears_of(TranscriptMade)
        assert made.call_id == caller.call_id
        (transcript,) = await house.store.recordings.transcripts_of_call(caller.call_id)
        assert [channel.speaker for channel in transcript.channels] == ["caller"]
        (task,) = await house.tasks()
        assert task.text == "llámeme mañana"
        await house.transcriber.catch_up()
        assert house.transcriber.pending == 0
