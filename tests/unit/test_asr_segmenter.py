"""Speech is cut out of silence, whole and in time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centralita.asr.vosk.segmenter import FRAME, FRAME_BYTES, Began, Ended, More, Piece, Segmenter
from centralita.asr.vosk.voice import VoiceDetector
from tests.support.speech import speak

VOICE = b"\x01" * FRAME_BYTES
HUSH = b"\x00" * FRAME_BYTES


def segmenter(*, hangover: int = 500, longest: int = 20_000) -> Segmenter:
    return Segmenter(
        lambda frame: frame == VOICE,
        hangover=timedelta(milliseconds=hangover),
        longest=timedelta(milliseconds=longest),
    )


def test_speech_begins_with_what_was_said_before_it_was_noticed() -> None:
    began, *rest = segmenter().take(HUSH * 50 + VOICE * 10)
    assert isinstance(began, Began)
    assert began.at == 50 * FRAME
    assert began.start == 38 * FRAME
    assert began.pre_roll == HUSH * 12 + VOICE * 3
    assert rest == [More(VOICE)] * 7


def test_speech_ends_after_the_hangover_and_says_when_the_voice_fell_silent() -> None:
    pieces = list(segmenter(hangover=500).take(VOICE * 20 + HUSH * 24))
    assert not any(isinstance(piece, Ended) for piece in pieces)
    pieces = list(segmenter(hangover=500).take(VOICE * 20 + HUSH * 25))
    assert pieces[-1] == Ended(20 * FRAME)


def test_a_click_is_no_speech() -> None:
    assert list(segmenter().take(HUSH * 20 + VOICE * 2 + HUSH * 100)) == []


def test_a_speaker_without_pauses_is_cut_at_the_longest_time() -> None:
    pieces = list(segmenter(longest=2000).take(VOICE * 250))
    assert [type(piece) for piece in pieces if not isinstance(piece, More)] == [
        *(Began, Ended, Began, Ended, Began)
    ]


def test_the_end_of_the_stream_ends_speech_that_had_begun() -> None:
    speech = segmenter()
    list(speech.take(VOICE * 10))
    assert list(speech.finish()) == [Ended(10 * FRAME)]
    assert list(speech.finish()) == []


def test_a_word_lasts_as_long_as_its_voice_without_the_silences_around_it() -> None:
    speech = segmenter()
    list(speech.take(HUSH * 50 + VOICE * 20 + HUSH * 10))
    assert speech.voiced(40 * FRAME, 78 * FRAME) == (50 * FRAME, 70 * FRAME)
    assert speech.voiced(55 * FRAME, 60 * FRAME) == (55 * FRAME, 60 * FRAME)
    assert speech.voiced(72 * FRAME, 78 * FRAME) == (72 * FRAME, 78 * FRAME)


@given(
    voices=st.lists(st.booleans(), max_size=200),
    cuts=st.lists(st.integers(min_value=1, max_value=2000), max_size=20),
)
def test_how_the_audio_is_cut_into_packets_makes_no_difference(
    voices: list[bool], cuts: list[int]
) -> None:
    audio = b"".join(VOICE if voice else HUSH for voice in voices)
    whole = list(segmenter(hangover=100).take(audio))
    packets, pieces = segmenter(hangover=100), list[Piece]()
    for cut in cuts:
        pieces += packets.take(audio[:cut])
        audio = audio[cut:]
    pieces += packets.take(audio)
    assert pieces == whole


def hiss(level: float, seconds: float) -> bytes:
    noise = np.random.default_rng(5).normal(0, level, int(8000 * seconds))
    return noise.astype("<i2").tobytes()


def listening() -> Segmenter:
    half_a_second, longest = timedelta(milliseconds=500), timedelta(seconds=20)
    return Segmenter(VoiceDetector(), hangover=half_a_second, longest=longest)


@pytest.mark.parametrize("level", [0, 10, 30, 100, 300, 1000])
def test_a_line_that_only_hisses_interrupts_no_prompt(level: float) -> None:
    assert list(listening().take(hiss(level, 5))) == []


@pytest.mark.parametrize("level", [0, 30, 100, 300])
def test_a_voice_is_noticed_over_the_hiss_and_its_end_too(level: float) -> None:
    word = np.frombuffer(speak("sí", before=1, after=1), "<i2").astype(np.int32)
    noise = np.frombuffer(hiss(level, len(word) / 8000), "<i2")
    loud = np.flatnonzero(np.abs(word) > 1000) / 8000
    audio = np.clip(word + noise[: len(word)], -32768, 32767).astype("<i2").tobytes()
    marks = [piece for piece in listening().take(audio) if not isinstance(piece, More)]
    began, ended = marks
    assert isinstance(began, Began) and isinstance(ended, Ended)
    assert abs(began.at.total_seconds() - loud[0]) < 0.12
    assert abs(ended.at.total_seconds() - loud[-1]) < 0.15
