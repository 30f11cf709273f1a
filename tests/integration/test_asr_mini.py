"""The small model hears voices that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from centralita.asr.mini.evaluate import score, synthetic_cases
from tests.support.speech import running_pool


@pytest.mark.parametrize("language", ["es", "en"])
async def test_unheard_voices_choose_from_a_menu(tmp_path: Path, language: str) -> None:
    cases = synthetic_cases(language, "menu", 60, seed=2)
    async with running_pool(tmp_path) as (pool, _):
        result = await score(pool, "menu", cases)
    assert result.error_rate < 0.1
    assert result.substituted + result.invented <= 1  # better to ask again than to go astray


@pytest.mark.parametrize("language", ["es", "en"])
async def test_what_is_not_on_the_menu_is_mostly_not_heard_as_it(
    tmp_path: Path, language: str
) -> None:
    digits = synthetic_cases(language, "digits", 30, seed=2)
    menu = synthetic_cases(language, "menu", 1, seed=2)[0].phrases
    async with running_pool(tmp_path) as (pool, _):
        heard = 0
        for case in digits:
            recognition = await pool.start(language, menu)
            await recognition.feed((case.speech * 32767).astype("<i2").tobytes())
            await recognition.close()
            texts = [getattr(event, "text", "") async for event in recognition.events()]
            heard += bool(texts[-1].strip()) if texts else 0
    assert heard <= len(digits) // 2
