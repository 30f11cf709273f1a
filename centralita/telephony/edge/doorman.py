"""Closes the connections of those who only want to hold them: half-open, idle, or byte by byte.

Kamailio itself ends a connection that is idle for `EdgeConfig.unproven`, unless its other end has
shown who it is. It has no means against one that sends a byte now and then, or against an address
that opens all the connections there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_address, ip_network

from centralita.core.errors import Unavailable
from centralita.core.tasks import Tasks
from centralita.telephony.edge.config import EdgeConfig
from centralita.telephony.edge.control import Connection, EdgeControl

log = logging.getLogger(__name__)

# What is closed in one round: each takes a command of about a millisecond.
_AT_ONCE = 500


def to_close(
    unproven: Iterable[Connection],
    seen: Mapping[int, float],
    now: float,
    *,
    patience: float,
    per_address: int,
    exempt: Iterable[str] = (),
) -> list[Connection]:
    """The connections that have had their time, and the oldest ones of an address with too many.

    `seen` is when each was seen first. A phone that has just connected is among the youngest.
    Addresses in the networks `exempt` may have any number: a reverse proxy has everybody's.
    """
    networks = [ip_network(network) for network in exempt]
    doomed = []
    addresses: dict[str, list[Connection]] = defaultdict(list)
    for connection in sorted(unproven, key=lambda item: item.id):
        if now - seen[connection.id] > patience:
            doomed.append(connection)
        else:
            addresses[connection.src_ip].append(connection)
    for address, waiting in addresses.items():
        if any(ip_address(address) in network for network in networks):
            continue
        doomed.extend(waiting[: max(0, len(waiting) - per_address)])
    return doomed


class Doorman:
    """Looks at the edge's connections every `interval` and has some closed."""

    def __init__(
        self,
        control: EdgeControl,
        config: EdgeConfig,
        *,
        interval: timedelta = timedelta(seconds=2),
    ) -> None:
        self._control = control
        self._patience = config.unproven.total_seconds()
        self._per_address = config.unproven_connections
        self._exempt = config.exempt
        self._interval = interval.total_seconds()
        self._seen: dict[int, float] = {}
        self._tasks = Tasks("doorman")

    def start(self) -> None:
        """Begin to look."""
        self._tasks.spawn(self._stand(), name="stand at the door")

    async def close(self) -> None:
        """Look no more."""
        await self._tasks.close()

    async def look(self) -> int:
        """One round; how many connections it closes."""
        now = asyncio.get_running_loop().time()
        lifetime = round(self._patience)
        unproven = [
            connection
            for connection in await self._control.connections()
            if connection.lifetime == lifetime
        ]
        # Whom we know no more has been closed, or has shown who it is.
        self._seen = {connection.id: self._seen.get(connection.id, now) for connection in unproven}
        doomed = to_close(
            unproven,
            self._seen,
            now,
            patience=self._patience,
            per_address=self._per_address,
            exempt=self._exempt,
        )[:_AT_ONCE]
        await self._control.close_connections(connection.id for connection in doomed)
        for address in sorted({connection.src_ip for connection in doomed}):
            count = sum(connection.src_ip == address for connection in doomed)
            log.warning(
                "connections closed, nobody said who it is",
                extra={"address": address, "connections": count},
            )
        return len(doomed)

    async def _stand(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as exc:
                log.debug("edge not asked", extra={"reason": str(exc)})
            await asyncio.sleep(self._interval)
