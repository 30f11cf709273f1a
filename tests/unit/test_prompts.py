"""Prompts are made once, sound right, and a site's own files replace them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from centralita.ivr.prompts import (
    BadAudio,
    EspeakVoice,
    PromptCache,
    PromptError,
    Speech,
)
from centralita.ivr.prompts.audio import is_playable


class HummingEngine:
    """Says everything as a tone as long as its text, once it is let go."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.identity = "humming"
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()

    async def speak(self, text: str, language: str, voice: str | None) -> Speech:
        self.said.append(text)
        self.asked.set()
        await self.go.wait()
        if text == "unspeakable":
            raise PromptError("that cannot be said")
        time = np.arange(2000 * len(text)) / 22050
        return Speech(np.asarray(0.05 * np.sin(2 * np.pi * 440 * time), np.float32), 22050)


@pytest.fixture
def engine() -> HummingEngine:
    return HummingEngine()


@pytest.fixture
async def cache(tmp_path: Path, engine: HummingEngine) -> AsyncIterator[PromptCache]:
    cache = PromptCache(engine, tmp_path / "made", tmp_path / "own")
    yield cache
    await cache.close()


async def test_a_prompt_is_a_wav_that_can_be_played_at_the_level_of_speech(
    cache: PromptCache,
) -> None:
    path = await cache.render("Bienvenida", "es")
    assert is_playable(path, 8000)
    samples, _ = soundfile.read(path)
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(-20, abs=1)


async def test_the_same_prompt_is_made_once_however_many_ask(
    cache: PromptCache, engine: HummingEngine
) -> None:
    engine.go.clear()
    asking = asyncio.gather(*(cache.render("hello", "en") for _ in range(20)))
    await engine.asked.wait()
    engine.go.set()
    assert len(set(await asking)) == 1
    await cache.render("hello", "en")
    assert engine.said == ["hello"]


async def test_a_caller_who_hangs_up_does_not_take_the_prompt_from_the_next(
    cache: PromptCache, engine: HummingEngine
) -> None:
    engine.go.clear()
    first = asyncio.gather(cache.render("hello", "en"))
    await engine.asked.wait()
    second = asyncio.gather(cache.render("hello", "en"))
    await asyncio.sleep(0)
    first.cancel()
    engine.go.set()
    (path,) = await second
    assert is_playable(path, 8000)
    assert engine.said == ["hello"]


async def test_text_language_voice_and_engine_make_different_files(
    cache: PromptCache, engine: HummingEngine
) -> None:
    files = {
        await cache.render("uno", "es"),
        await cache.render("dos", "es"),
        await cache.render("uno", "en"),
        await cache.render("uno", "es", "f1"),
    }
    engine.identity = "humming faster"
    files.add(await cache.render("uno", "es"))
    assert len(files) == 5


async def test_a_prompt_that_failed_is_tried_again(
    cache: PromptCache, engine: HummingEngine
) -> None:
    for _ in range(2):
        with pytest.raises(PromptError, match="cannot be said"):
            await cache.render("unspeakable", "en")
    assert engine.said == ["unspeakable"] * 2


async def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, engine: HummingEngine
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = PromptCache(engine, tmp_path / "file" / "made", tmp_path / "own")
    with pytest.raises(PromptError, match="cannot be written"):
        await cache.render("hello", "en")


async def test_a_file_of_the_site_replaces_the_spoken_prompt_and_is_converted(
    cache: PromptCache, engine: HummingEngine, tmp_path: Path
) -> None:
    own = tmp_path / "own" / "es" / "welcome.wav"
    own.parent.mkdir(parents=True)
    soundfile.write(own, np.zeros((44100, 2)), 44100, subtype="PCM_24")
    path = await cache.prompt("welcome", "Bienvenida", "es")
    assert is_playable(path, 8000)
    assert soundfile.info(path).frames == 8000
    assert engine.said == []
    assert await cache.prompt("welcome", "Welcome", "en") != path
    assert engine.said == ["Welcome"]


async def test_a_broken_file_of_the_site_costs_its_sound_and_not_the_prompt(
    cache: PromptCache, engine: HummingEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own" / "es" / "welcome.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"no sound at all")
    assert is_playable(await cache.prompt("welcome", "Bienvenida", "es"), 8000)
    assert "prompt file passed over" in caplog.text


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio" * 100])
async def test_a_file_that_is_no_sound_is_refused_by_name(
    cache: PromptCache, tmp_path: Path, content: bytes
) -> None:
    bad = tmp_path / "upload.wav"
    bad.write_bytes(content)
    with pytest.raises(BadAudio, match=r"upload\.wav"):
        await cache.import_wav(bad)


async def test_a_prompts_name_cannot_leave_its_folder(cache: PromptCache) -> None:
    for name in ("../es/secret", "", "/etc/passwd", ".hidden"):
        with pytest.raises(BadAudio):
            await cache.replacement(name, "es")


async def test_music_is_quiet_and_loops_without_a_click(cache: PromptCache) -> None:
    samples, rate = soundfile.read(await cache.music_on_hold())
    assert rate == 8000 and len(samples) == 12 * 8000
    assert -40 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -20
    steps = np.abs(np.diff(samples))
    assert abs(samples[0] - samples[-1]) <= steps.max()


async def test_the_beep_is_a_short_tone_of_one_kilohertz(cache: PromptCache) -> None:
    samples, rate = soundfile.read(await cache.beep())
    assert len(samples) / rate == pytest.approx(0.4)
    assert np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples) == pytest.approx(1000, abs=5)


async def test_espeak_says_the_text_in_both_languages() -> None:
    voice = EspeakVoice()
    for text, language in (("Pulse uno para ventas", "es"), ("Press one for sales", "en")):
        speech = await voice.speak(text, language, None)
        assert 1 < len(speech.samples) / speech.rate < 4
        assert np.abs(speech.samples).max() > 0.1


@pytest.mark.parametrize("text", ["", "  ", "…", "\x00\x1b", "hola " * 1000])
async def test_espeak_is_spared_what_cannot_be_said(text: str) -> None:
    with pytest.raises(PromptError):
        await EspeakVoice().speak(text, "es", None)


@pytest.mark.parametrize("voice", ["-f/etc/passwd", "../x", "xx-nobody", "a b"])
async def test_a_voice_that_is_none_is_named(voice: str) -> None:
    with pytest.raises(PromptError, match="voice"):
        await EspeakVoice().speak("hola", "es", voice)


async def test_without_espeak_the_cure_is_named() -> None:
    with pytest.raises(PromptError, match="apt install espeak-ng"):
        await EspeakVoice(program="espeak-that-is-not-there").speak("hola", "es", None)


async def test_what_was_said_to_single_callers_can_be_forgotten(
    cache: PromptCache, engine: HummingEngine
) -> None:
    greeting = await cache.render("Hola, Carmen Ruiz", "es")
    welcome = await cache.render("Bienvenida", "es")
    beep = await cache.beep()
    await cache.forget_spoken([("Bienvenida", "es")])
    assert not greeting.exists()
    assert welcome.exists() and beep.exists()
    # Whoever is to hear it again does, and at once.
    assert await cache.render("Hola, Carmen Ruiz", "es") == greeting
    assert greeting.exists()
    assert engine.said == ["Hola, Carmen Ruiz", "Bienvenida", "Hola, Carmen Ruiz"]


async def test_prompts_that_nobody_hears_for_a_month_go(cache: PromptCache) -> None:
    old, heard = await cache.render("old", "en"), await cache.render("heard", "en")
    month_ago = time.time() - 31 * 24 * 3600
    for path in (old, heard):
        os.utime(path, (month_ago, month_ago))
    cache._seen.clear()  # as after a start
    await cache.render("heard", "en")
    assert await cache.tidy_up() == 1
    assert heard.exists() and not old.exists()


async def test_of_too_much_what_was_heard_last_stays_and_what_may_be_playing(
    tmp_path: Path, engine: HummingEngine
) -> None:
    cache = PromptCache(engine, tmp_path / "made", tmp_path / "own", at_most=1)
    playing, hours_ago = await cache.render("now", "en"), await cache.render("before", "en")
    os.utime(hours_ago, (time.time() - 7200, time.time() - 7200))
    assert await cache.tidy_up() == 1
    assert playing.exists() and not hours_ago.exists()
    await cache.close()


async def test_prompts_are_for_our_eyes_only(cache: PromptCache) -> None:
    """In them names and numbers are spoken."""
    path = await cache.render("Hola, Carmen Ruiz", "es")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(0o755)  # as earlier versions made it
    await cache.tidy_up()
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_file_that_lies_elsewhere_is_copied_to_where_the_workers_read(
    tmp_path: Path, cache: PromptCache
) -> None:
    real = tmp_path / "elsewhere.wav"
    soundfile.write(real, np.zeros(800, np.int16), 8000, subtype="PCM_16")
    (tmp_path / "own").mkdir()
    link = tmp_path / "own" / "music.wav"
    link.symlink_to(real)
    assert (await cache.music_on_hold()).parent == tmp_path / "made"
    link.unlink()
    real.rename(link)
    assert await cache.music_on_hold() == link
