"""Addresses that the edge ignores, for those who may forgive them."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from centralita.api import schemas as s
from centralita.core.errors import InvalidInput, NotFound
from centralita.telephony.edge.control import Ban, EdgeControl

log = logging.getLogger(__name__)


class Bans:
    """`api.ports.BanControl` over the edge; without an edge nobody is banned."""

    def __init__(self, control: EdgeControl | None, length: timedelta) -> None:
        self._control = control
        self._length = length

    async def all(self) -> Sequence[s.Ban]:
        """The latest first."""
        now = datetime.now(UTC)  # the edge stamps them by the wall clock, too
        return [
            s.Ban(
                address=_plain(ban.address),
                reason="guesses" if ban.reason == "guesses" else "requests",
                since=ban.since,
                until=ban.since + self._length,
            )
            for ban in await self._bans()
            # One that has run out may stand there until the edge's next sweep.
            if ban.since + self._length > now
        ]

    async def lift(self, address: str, by: str) -> None:
        """Forgive it."""
        try:
            wanted = str(ipaddress.ip_address(address))
        except ValueError as exc:
            raise InvalidInput(f'"{address}" is not an IP address', place="path.id") from exc
        for ban in await self._bans():
            if _plain(ban.address) == wanted and self._control is not None:
                await self._control.lift_ban(ban.address)
                log.warning("ban lifted", extra={"address": wanted, "by": by})
                return
        raise NotFound(f"{wanted} is not banned")

    async def _bans(self) -> list[Ban]:
        return [] if self._control is None else await self._control.bans()


def _plain(address: str) -> str:
    """Kamailio writes IPv6 out in full."""
    return str(ipaddress.ip_address(address.strip("[]")))
