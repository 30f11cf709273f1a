"""The media workers as a crew: who is there, who retires, and that the edge knows it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from centralita.core.bus import Bus
from centralita.core.errors import CentralitaError
from centralita.core.ids import WorkerId
from centralita.core.tasks import Tasks
from centralita.server.config import Config
from centralita.server.supervision import ProcessKeeper
from centralita.server.telephony import worker_settings
from centralita.telephony.call import WorkerLost, WorkerUp
from centralita.telephony.edge.control import EdgeControl
from centralita.telephony.link import WorkerLink, process_name
from centralita.telephony.worker.settings import WorkerSettings

log = logging.getLogger(__name__)


def retiring_workers(config: Config, keeper: ProcessKeeper) -> list[WorkerSettings]:
    """Workers that run, with calls perhaps, and are more than the configuration asks for."""
    wanted = {process_name(WorkerId(worker.worker_id)) for worker in worker_settings(config)}
    found = []
    for file in sorted(config.run_dir.glob("worker-*.json")):
        name = process_name(WorkerId(file.stem))
        if name not in wanted and keeper.pid(name) is not None:
            found.append(WorkerSettings.load(file))
    return found


class MediaWorkers:
    """Tells the edge at once which workers take calls, and lets the `retiring` ones end.

    Without `edge` there is one worker and nobody to tell.
    """

    def __init__(
        self,
        workers: Sequence[WorkerSettings],
        retiring: Sequence[WorkerSettings],
        link: WorkerLink,
        keeper: ProcessKeeper,
        edge: EdgeControl | None,
        bus: Bus,
    ) -> None:
        self._addresses = {
            WorkerId(worker.worker_id): (worker.sip_address, worker.sip_port) for worker in workers
        }
        self._retiring = frozenset(WorkerId(worker.worker_id) for worker in retiring)
        self._link = link
        self._edge = edge
        self._tasks = Tasks("media workers")
        for worker_id in self._retiring:
            keeper.let_end(process_name(worker_id))
        bus.subscribe(WorkerUp, self._up)
        bus.subscribe(WorkerLost, self._lost)

    async def close(self) -> None:
        """Tell nobody anything any more."""
        await self._tasks.close()

    def _up(self, event: WorkerUp) -> None:
        if event.worker_id in self._retiring:
            self._tasks.spawn(self._retire(event.worker_id), name=f"retire {event.worker_id}")
        else:
            self._tell(event.worker_id, takes_calls=True)

    def _lost(self, event: WorkerLost) -> None:
        log.error("media worker is lost", extra={"worker": event.worker_id})
        if event.worker_id not in self._retiring:
            self._tell(event.worker_id, takes_calls=False)

    async def _retire(self, worker_id: WorkerId) -> None:
        legs = self._link.legs_of(worker_id)
        log.info(
            "media worker retires with its last call", extra={"worker": worker_id, "legs": legs}
        )
        try:
            await self._link.drain(worker_id, leave=True)
        except CentralitaError as exc:
            log.error("worker cannot retire", extra={"worker": worker_id, "error": str(exc)})

    def _tell(self, worker_id: WorkerId, *, takes_calls: bool) -> None:
        if self._edge is not None:
            self._tasks.spawn(
                self._tell_edge(self._edge, worker_id, takes_calls), name=f"tell of {worker_id}"
            )

    async def _tell_edge(self, edge: EdgeControl, worker_id: WorkerId, takes_calls: bool) -> None:
        try:
            await edge.worker_takes_calls(self._addresses[worker_id], takes_calls)
        except CentralitaError as exc:
            # Its own pings, and calls that are not answered, tell it as well, only later.
            log.info("edge not told", extra={"worker": worker_id, "error": str(exc)})
