"""The phone in the page, in the distribution's Firefox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.browser import WEB
from tests.support.firefox import firefox_path, open_firefox
from tests.support.phones import tone
from tests.support.server import ServerProcess

pytestmark = pytest.mark.skipif(
    not os.environ.get("CI")
    and (firefox_path() is None or not (WEB / "dist" / "index.html").is_file()),
    reason="needs firefox-esr and the built pages",
)

AGENT_HZ, CALLER_HZ = 700, 450
# Headless Firefox has no loudspeaker, without which an AudioContext stands still: what the page
# would play is recorded, and its pitch told by how often it crosses zero.
_PITCH = """
(async () => {
  const { srcObject } = document.querySelector('[data-testid="phone-audio"]');
  const recorder = new MediaRecorder(new MediaStream(srcObject.getAudioTracks()));
  const recorded = new Promise((done) => { recorder.ondataavailable = ({ data }) => done(data); });
  recorder.start();
  await new Promise((done) => setTimeout(done, 700));
  recorder.stop();
  const file = await (await recorded).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(file);
  const samples = sound.getChannelData(0).slice(-14400);
  let crossed = 0;
  samples.forEach((sample, place) => {
    if (place > 0 && sample >= 0 && samples[place - 1] < 0) crossed += 1;
  });
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return loudest < 0.01 ? 0 : crossed / 0.3;
})()
"""


async def test_a_caller_and_an_agent_in_firefox_hear_each_other(tmp_path: Path) -> None:
    async with (
        ServerProcess(tmp_path) as server,
        open_firefox(tmp_path, microphone_hertz=AGENT_HZ) as page,
    ):
        caller = await server.caller()
        try:
            await page.goto(server.url)
            await page.fill("sign-in-user", "ana")
            await page.fill("sign-in-password", server.users["ana"])
            await page.click("sign-in-submit")
            await page.click("phone-use-page")
            await page.sees('.phone-state[data-link="registered"]')

            call = await caller.call("110")
            await call.wait_answered()
            call.audio.hum(tone(CALLER_HZ, 0.4))
            await page.click("phone-answer")
            await page.sees("phone-hang-up")
            await call.audio.until(lambda frame: frame.has_tone(AGENT_HZ), within=15)
            await page.until(f"{_PITCH}.then((pitch) => Math.abs(pitch - {CALLER_HZ}) < 25)")

            await page.click("phone-mute")
            await call.audio.silence()
        finally:
            await caller.close()
