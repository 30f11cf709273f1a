"""What a page is told by the live feed, as it comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from centralita.core.tasks import Tasks
from tests.support.server import ApiClient

Json = dict[str, Any]


@dataclass
class Feed:
    """The messages so far, each with the moment it came (`time.monotonic`)."""

    messages: list[tuple[float, Json]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hearing(self) -> str:
        """What the page shows of the listening; empty without a live transcript."""
        shown = ""
        for _, message in self.messages:
            match message["type"]:
                case "snapshot":
                    shown = next((one["hearing"] for one in message["transcripts"]), "")
                case "live_transcript" | "live_hearing":
                    shown = message["hearing"]
                case "live_transcript_gone":
                    shown = ""
                case _:
                    pass
        return shown

    def sayings(self) -> list[Json]:
        """Each thing that was told of a saying, in order."""
        return [one["saying"] for _, one in self.messages if one["type"] == "live_said"]

    def words(self) -> set[str]:
        """Every word that was ever told."""
        return {word for saying in self.sayings() for word in saying["text"].split()}

    async def until(self, holds: Callable[[], bool], within: float = 10) -> None:
        """Until something is so of what was told."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            told = [one for _, one in self.messages if "live_" in one["type"]]
            raise AssertionError(f"not within {within} s; told: {told[-12:]}") from None

    async def becomes(self, hearing: str, within: float = 10) -> None:
        """Until the page shows this of the listening."""
        await self.until(lambda: self.hearing == hearing, within)

    async def hears(
        self, speaker: str, *words: str, final: bool = True, within: float = 10
    ) -> float:
        """When that side was first told to have said all these words."""
        found: list[float] = []

        def so() -> bool:
            for at, message in self.messages:
                saying = message.get("saying")
                if (
                    saying is not None
                    and (saying["speaker"], saying["final"]) == (speaker, final)
                    and set(words) <= set(saying["text"].split())
                ):
                    found.append(at)
                    return True
            return False

        await self.until(so, within)
        return found[0]

    async def first_of(self, speaker: str) -> float:
        """When the first words of that side were told."""
        return await self.hears(speaker, final=False)


@asynccontextmanager
async def live_feed(api: ApiClient) -> AsyncIterator[Feed]:
    """That user's feed, for as long as the connection lasts."""
    feed = Feed()
    socket = await api.live()

    async def read() -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                feed.messages.append((time.monotonic(), json.loads(message.data)))
                feed.news.set()

    tasks = Tasks("a page's feed")
    tasks.spawn(read(), name="read")
    try:
        await feed.until(lambda: bool(feed.messages))
        yield feed
    finally:
        await socket.close()
        await tasks.close()
