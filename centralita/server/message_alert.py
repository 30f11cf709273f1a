"""Tells when more messages are written in a day than anybody expects, before a limit stops them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError
from centralita.core.tasks import Tasks
from centralita.outbound.rules import Rules
from centralita.server.settings import OutboundConfig
from centralita.store.outbox import Outbox
from centralita.timeline.model import Channel

log = logging.getLogger(__name__)

_EVERY = 60.0


class MessageAlert:
    """Looks each minute how many there are of a day, as `rules` count days.

    `over` are the channels beyond their threshold, each with how many messages that is.
    """

    def __init__(self, config: OutboundConfig, rules: Rules, outbox: Outbox, clock: Clock) -> None:
        given = {Channel.SMS: config.sms_alert_at, Channel.EMAIL: config.emails_alert_at}
        self.thresholds = {name: most for name, most in given.items() if most is not None}
        self._rules = rules
        self._outbox = outbox
        self._clock = clock
        self._over: dict[Channel, int] = {}
        self._told: dict[Channel, datetime] = {}
        self._tasks = Tasks("message alert")

    @property
    def over(self) -> Mapping[Channel, int]:
        """As of the last look."""
        return self._over

    def start(self) -> None:
        """Begin, if there is anything to look for."""
        if self.thresholds:
            self._tasks.keep(self._watch, name="count")

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()

    async def look(self) -> None:
        """Count, and tell once a day."""
        day = self._rules.day_of(self._clock.now())
        for channel, threshold in self.thresholds.items():
            written = (await self._outbox.written(channel, "", day)).all
            if written < threshold:
                self._over.pop(channel, None)
                continue
            self._over[channel] = written
            if self._told.get(channel) != day:
                self._told[channel] = day
                log.warning(
                    "more messages were written today than the alert threshold",
                    extra={"channel": channel.value, "messages": written, "threshold": threshold},
                )

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except CentralitaError as exc:
                log.warning("messages cannot be counted", extra={"error": str(exc)})
            await asyncio.sleep(_EVERY)
