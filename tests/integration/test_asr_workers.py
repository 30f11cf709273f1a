"""Real recogniser processes: heard live, killed, hung, overloaded, and fed rubbish."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from centralita.asr.recognizer import (
    GrammarError,
    RecognitionFailed,
    RecognizerBusy,
    RecognizerError,
    SpeechStarted,
    Utterance,
)
from centralita.asr.transcribe import transcribe
from centralita.asr.vosk import PoolSettings, VoskPool
from centralita.asr.vosk.link import VoskRecognition
from centralita.asr.vosk.protocol import STREAM_HEADER
from centralita.core.events import Event
from tests.support.speech import MINI, Workers, running_pool, silence, speak

FRAME = 320


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[VoskPool]:
    async with running_pool(tmp_path) as (pool, _):
        yield pool


async def on_the_phone(recognition: VoskRecognition, audio: bytes) -> float:
    """Send audio as a media worker does, a datagram every 20 ms; returns when it began."""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tap:
        tap.setblocking(False)
        for number, start in enumerate(range(0, len(audio) - FRAME + 1, FRAME)):
            await asyncio.sleep(max(0, began + number * 0.02 - time.monotonic()))
            frame = STREAM_HEADER.pack(recognition.stream) + audio[start : start + FRAME]
            tap.sendto(frame, recognition.sink_path)
    return began


async def first(recognition: VoskRecognition, kind: type[Event]) -> Event:
    """The first event of that kind."""
    async for event in recognition.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the events ended without {kind.__name__}")


SHORT_ANSWERS = [
    *(("sí", "es"), ("no", "es"), ("dos", "es"), ("tres", "es"), ("seis", "es"), ("uno", "es")),
    *(("yes", "en"), ("no", "en"), ("two", "en"), ("three", "en"), ("eight", "en"), ("one", "en")),
]


async def test_short_answers_are_heard_live_and_end_at_once(pool: VoskPool) -> None:
    lists = {
        "es": ("sí", "no", "uno", "dos", "tres", "cuatro", "cinco", "seis"),
        "en": ("yes", "no", "one", "two", "three", "four", "five", "eight"),
    }

    async def answer(text: str, language: str) -> tuple[str, float, float]:
        recognition = await pool.start(language, lists[language])
        # Digital silence around the word, so that its last loud sample is the end of speech.
        audio = bytes(8000) + speak(text, language, before=0, after=0) + bytes(16000 * 2)
        loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2")) > 300)
        sending = asyncio.gather(on_the_phone(recognition, audio))
        started = await first(recognition, SpeechStarted)
        noticed = time.monotonic()
        heard = await first(recognition, Utterance)
        ended = time.monotonic()
        (began,) = await sending
        assert isinstance(started, SpeechStarted) and isinstance(heard, Utterance)
        await recognition.close()
        onset = noticed - began - loud[0] / 8000
        return heard.text, float(onset), float(ended - began - loud[-1] / 8000)

    results = []
    for start in range(0, len(SHORT_ANSWERS), 6):
        batch = SHORT_ANSWERS[start : start + 6]
        results += await asyncio.gather(*(answer(*saying) for saying in batch))
    assert [text for text, _, _ in results] == [text for text, _ in SHORT_ANSWERS]
    onsets = sorted(onset for _, onset, _ in results)
    endings = sorted(ending for _, _, ending in results)
    assert onsets[-2] < 0.25
    assert endings[-2] < 0.65


async def test_word_times_count_from_the_first_sample_across_pauses(pool: VoskPool) -> None:
    recognition = await pool.start("es", ("ventas", "soporte"))
    sayings = [speak("ventas", before=1, after=2), speak("soporte", before=1, after=1)]
    await recognition.feed(b"".join(sayings))
    await recognition.close()
    words = [
        word
        async for event in recognition.events()
        if isinstance(event, Utterance)
        for word in event.words
    ]
    assert [word.text for word in words] == ["ventas", "soporte"]
    before = 0.0
    for word, audio in zip(words, sayings, strict=True):
        loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2")) > 300) / 8000
        assert word.start.total_seconds() == pytest.approx(before + loud[0], abs=0.1)
        assert word.end.total_seconds() == pytest.approx(before + loud[-1], abs=0.15)
        before += len(audio) / 16000


async def test_a_word_outside_the_list_is_no_match(pool: VoskPool) -> None:
    recognition = await pool.start("es", ("sí", "no"))
    await recognition.feed(speak("facturación"))
    await recognition.close()
    heard = await first(recognition, Utterance)
    assert isinstance(heard, Utterance)
    assert heard.text == "" and heard.words == () and heard.confidence == 0


async def test_a_recording_is_transcribed_faster_than_it_lasts(pool: VoskPool) -> None:
    sayings = ("hola buenos días", "quiero hablar con ventas", "gracias adiós")
    audio = b"".join(speak(text, after=1.5) for text in sayings) * 3
    began = time.monotonic()
    transcript = await transcribe(pool, "es", np.frombuffer(audio, "<i2"))
    assert time.monotonic() - began < len(audio) / 16000 / 3
    assert transcript.text.count("ventas") == 3
    assert transcript.words[-1].text == "adiós"
    assert list(transcript.words) == sorted(transcript.words, key=lambda word: word.start)


async def test_a_killed_worker_fails_its_streams_at_once_and_the_next_question_is_answered(
    tmp_path: Path,
) -> None:
    async with running_pool(tmp_path) as (pool, workers):
        recognition = await pool.start("es", ("ventas",))
        await recognition.feed(speak("ventas")[:16000])
        await workers.kill("asr-1")
        async with asyncio.timeout(0.5):
            failed = await first(recognition, RecognitionFailed)
        assert isinstance(failed, RecognitionFailed)
        await recognition.feed(speak("ventas"))  # the tap does not know yet
        await recognition.close()
        asking = asyncio.gather(pool.start("es", ("ventas",)))
        await workers.start(pool.specs()[0])
        (again,) = await asking
        await again.feed(speak("ventas"))
        heard = await first(again, Utterance)
        assert isinstance(heard, Utterance) and heard.text == "ventas"


async def test_with_two_workers_streams_are_shared_out_and_one_death_leaves_the_other(
    tmp_path: Path,
) -> None:
    async with running_pool(tmp_path, PoolSettings(workers=2, max_streams=2)) as (pool, workers):
        await pool.known_phrases("es", ("sí",))
        while not all(status.up for status in pool.status()):
            await (await pool.start("es", None)).close()
        streams = [await pool.start("es", None) for _ in range(4)]
        assert [status.streams for status in pool.status()] == [2, 2]
        with pytest.raises(RecognizerBusy):
            await pool.start("es", None)
        await workers.kill("asr-1")
        failed = [s for s in streams if "asr-1" in s.sink_path]
        assert len(failed) == 2
        for stream in failed:
            await first(stream, RecognitionFailed)
        survivor = next(s for s in streams if s not in failed)
        await survivor.feed(speak("ventas"))
        await survivor.close()
        heard = await first(survivor, Utterance)
        assert isinstance(heard, Utterance) and "ventas" in heard.text


async def test_a_hung_worker_counts_as_lost_and_is_reported(tmp_path: Path) -> None:
    hung: asyncio.Queue[str] = asyncio.Queue()
    pool = VoskPool(MINI, tmp_path, on_hung=hung.put_nowait)
    workers = Workers()
    try:
        await workers.start(pool.specs()[0])
        await pool.start_pool()
        recognition = await pool.start("es", None)
        os.kill(workers.processes["asr-1"].pid, signal.SIGSTOP)
        async with asyncio.timeout(5):
            assert await hung.get() == "asr-1"
            await first(recognition, RecognitionFailed)
    finally:
        await pool.close()
        await workers.close()


async def test_without_any_worker_a_question_is_refused_after_its_patience(
    tmp_path: Path,
) -> None:
    pool = VoskPool(MINI, tmp_path, PoolSettings(patience=timedelta(milliseconds=100)))
    await pool.start_pool()
    with pytest.raises(RecognizerError, match="no recogniser is running"):
        await pool.start("es", None)
    await pool.close()


async def test_rubbish_on_the_audio_socket_harms_nobody(pool: VoskPool) -> None:
    recognition = await pool.start("es", ("ventas",))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tap:
        for datagram in (b"", b"\x00", b"\xff" * 4, b"\xff" * 400, os.urandom(3000)):
            tap.sendto(datagram, recognition.sink_path)
    await recognition.feed(speak("ventas"))
    heard = await first(recognition, Utterance)
    assert isinstance(heard, Utterance) and heard.text == "ventas"


async def test_audio_that_stops_in_mid_word_does_not_leave_the_caller_hanging(
    pool: VoskPool,
) -> None:
    recognition = await pool.start("es", ("ventas",))
    await on_the_phone(recognition, speak("ventas", after=0)[:-1600])
    async with asyncio.timeout(2.5):
        await first(recognition, Utterance)


async def test_a_worker_ends_on_sigterm_and_leaves_no_socket(tmp_path: Path) -> None:
    async with running_pool(tmp_path) as (pool, workers):
        await (await pool.start("es", None)).close()
        process = workers.processes.pop("asr-1")
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 5) == 0
        assert os.listdir(tmp_path) == []


async def test_a_worker_without_its_model_says_which_and_stops(tmp_path: Path) -> None:
    pool = VoskPool({"es": tmp_path / "nothing"}, tmp_path)
    (spec,) = pool.specs()
    process = await asyncio.create_subprocess_exec(*spec.argv, stderr=asyncio.subprocess.PIPE)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert f"{tmp_path}/nothing is not a Vosk model" in complaint.decode()


async def test_silence_costs_no_decoding_and_noise_makes_no_words(pool: VoskPool) -> None:
    recognition = await pool.start("es", ("sí", "no"))
    await recognition.feed(silence(10))
    loud = np.random.default_rng(3).normal(0, 600, 8000 * 3).astype("<i2").tobytes()
    await recognition.feed(loud + silence(1))
    await recognition.close()
    texts = [event.text async for event in recognition.events() if isinstance(event, Utterance)]
    assert "".join(texts) == ""


async def test_thirty_callers_who_speak_at_once_are_all_heard(pool: VoskPool) -> None:
    streams = [await pool.start("es", ("ventas", "soporte")) for _ in range(30)]
    audio = speak("ventas")
    began = time.monotonic()
    sent = lost = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tap:
        tap.setblocking(False)
        for number, start in enumerate(range(0, len(audio) - FRAME + 1, FRAME)):
            await asyncio.sleep(max(0, began + number * 0.02 - time.monotonic()))
            for stream in streams:  # one burst, as the media clock sends it
                sent += 1
                frame = STREAM_HEADER.pack(stream.stream) + audio[start : start + FRAME]
                try:
                    tap.sendto(frame, stream.sink_path)
                except BlockingIOError:
                    lost += 1
    assert lost <= sent // 100
    heard = [await first(stream, Utterance) for stream in streams]
    assert [getattr(utterance, "text", "") for utterance in heard] == ["ventas"] * 30


async def test_who_would_fall_behind_takes_no_more_callers_until_it_has_caught_up(
    tmp_path: Path,
) -> None:
    settings = PoolSettings(threads=1, max_streams=20)
    async with running_pool(tmp_path, settings) as (pool, _):
        streams = [await pool.start("es", None) for _ in range(12)]
        speech = speak("ventas soporte ventas soporte", before=0, after=0) * 2
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tap:
            # Far more at once than one thread decodes in that time.
            for start in range(0, len(speech) - FRAME + 1, FRAME):
                for stream in streams:
                    frame = STREAM_HEADER.pack(stream.stream) + speech[start : start + FRAME]
                    tap.sendto(frame, stream.sink_path)
        with pytest.raises(RecognizerBusy, match="s behind"):
            async with asyncio.timeout(30):
                while True:  # it takes in what was sent in its own time
                    await (await pool.start("es", None)).close()
        async with asyncio.timeout(60):
            while True:
                try:
                    again = await pool.start("es", ("ventas",))
                    break
                except RecognizerBusy:
                    await asyncio.sleep(0.1)
        await again.feed(speak("ventas"))
        heard = await first(again, Utterance)
        assert isinstance(heard, Utterance) and heard.text == "ventas"


NASTY = [
    *(
        "[]",
        "{}",
        "null",
        '"',
        "\\",
        "[unk]",
        "<eps>",
        "#0",
        "%s%n",
        "\x00",
        "\ud7ff",
        "😀",
        "si\u0301",
    ),
    *("ventas\x00soporte", "VENTAS", "ventas " * 500, "¿ventas?", "a" * 10_000, "'", "-", "_"),
]


async def test_no_word_list_ends_the_worker(pool: VoskPool) -> None:
    await pool.known_phrases("es", tuple(NASTY))
    before = pool.status()
    for phrases in (*((text,) for text in NASTY), tuple(NASTY), ("ventas",) * 3000):
        try:
            recognition = await pool.start("es", phrases)
        except GrammarError:
            continue
        await recognition.feed(speak("ventas", before=0.1, after=0.1))
        await recognition.close()
        assert [e async for e in recognition.events() if isinstance(e, RecognitionFailed)] == []
    known = await pool.known_phrases("es", tuple(NASTY))
    assert {"VENTAS", "¿ventas?"} <= set(known)
    assert pool.status() == before
