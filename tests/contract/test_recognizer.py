"""What every Recognizer promises: the scripted one and Vosk's worker processes alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from centralita.asr.fake import FakeRecognizer, utterance
from centralita.asr.mini.words import WORDS
from centralita.asr.recognizer import (
    GrammarError,
    Partial,
    RecognitionFailed,
    Recognizer,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
)
from centralita.asr.vosk import PoolSettings
from centralita.core.events import Event
from tests.support.speech import running_pool, silence, speak

MAX_STREAMS = 3


@pytest.fixture(params=["fake", "vosk"])
async def recognizer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Recognizer]:
    if request.param == "fake":
        fake = FakeRecognizer(max_streams=MAX_STREAMS, words=frozenset(WORDS["es"] + WORDS["en"]))
        heard = utterance("ventas")
        fake.script(SpeechStarted(at=heard.start), Partial(text="ventas"), heard)
        yield fake
        return
    async with running_pool(tmp_path, PoolSettings(max_streams=MAX_STREAMS)) as (pool, _):
        yield pool


async def everything(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


async def test_a_word_of_the_list_is_heard_with_its_times_and_confidence(
    recognizer: Recognizer,
) -> None:
    recognition = await recognizer.start("es", ("ventas", "soporte"))
    await recognition.feed(speak("ventas"))
    await recognition.close()
    events = await everything(recognition.events())
    assert isinstance(events[0], SpeechStarted)
    heard = events[-1]
    assert isinstance(heard, Utterance)
    assert heard.text == "ventas"
    assert [word.text for word in heard.words] == ["ventas"]
    assert 0 < heard.confidence <= 1
    assert heard.start <= heard.words[0].start < heard.words[0].end <= heard.end


async def test_silence_is_no_utterance(recognizer: Recognizer) -> None:
    recognition = await recognizer.start("es", ("ventas",))
    await recognition.feed(bytes(len(silence(3))))
    await recognition.close()
    assert await everything(recognition.events()) == []


async def test_the_events_end_after_close_for_whoever_asks_and_however_often(
    recognizer: Recognizer,
) -> None:
    recognition = await recognizer.start("en", None)
    await recognition.close()
    await recognition.close()
    await recognition.feed(speak("sales", "en"))
    assert await everything(recognition.events()) == []
    assert await everything(recognition.events()) == []


async def test_a_word_that_the_model_does_not_know_is_named(recognizer: Recognizer) -> None:
    with pytest.raises(GrammarError, match="xilófono"):
        await recognizer.start("es", ("ventas", "un xilófono"))


@pytest.mark.parametrize("phrases", [(), ("",), ("   ",)])
async def test_a_list_without_words_is_refused(
    recognizer: Recognizer, phrases: tuple[str, ...]
) -> None:
    with pytest.raises(GrammarError):
        await recognizer.start("es", phrases)


async def test_a_language_without_a_model_is_refused(recognizer: Recognizer) -> None:
    assert set(recognizer.languages()) == {"es", "en"}
    with pytest.raises(RecognizerError, match="fi"):
        await recognizer.start("fi", None)


async def test_one_stream_too_many_is_refused_until_another_closes(
    recognizer: Recognizer,
) -> None:
    streams = [await recognizer.start("es", None) for _ in range(MAX_STREAMS)]
    with pytest.raises(RecognizerBusy):
        await recognizer.start("es", None)
    await streams[0].close()
    assert await everything(streams[0].events()) == []
    another = await recognizer.start("es", None)
    assert another.stream not in [stream.stream for stream in streams]


async def test_phrases_with_unknown_words_can_be_dropped_beforehand(
    recognizer: Recognizer,
) -> None:
    phrases = ("ventas", "menú principal", "el xilófono", "")
    known = await recognizer.known_phrases("es", phrases)
    assert known == ("ventas", "menú principal")
    await (await recognizer.start("es", known)).close()


async def test_who_can_wait_leaves_streams_to_others(recognizer: Recognizer) -> None:
    first = await recognizer.start("es", None, spare=MAX_STREAMS - 1)
    with pytest.raises(RecognizerBusy):
        await recognizer.start("es", None, spare=MAX_STREAMS - 1)
    others = [await recognizer.start("es", None) for _ in range(MAX_STREAMS - 1)]
    for stream in (first, *others):
        await stream.close()
        await everything(stream.events())
    await (await recognizer.start("es", None, spare=MAX_STREAMS - 1)).close()


async def test_who_can_do_without_makes_way_for_who_cannot(recognizer: Recognizer) -> None:
    live = [await recognizer.start("es", None, spare=0) for _ in range(MAX_STREAMS)]
    with pytest.raises(RecognizerBusy):
        await recognizer.start("es", None, spare=0)
    asked = await recognizer.start("es", ("ventas",))
    for stream in live:
        (event,) = await everything(stream.events())
        assert isinstance(event, RecognitionFailed)
        await stream.close()
    await asked.close()
    assert await everything(asked.events()) == []
