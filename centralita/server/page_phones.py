"""Pages as phones: whom the edge admits, and what becomes of a call whose page is gone.

A page that is closed, reloaded or cut off falls silent, and its connection to the edge breaks. The
caller hears music from the first second of silence. A page that comes back is rung, answers by
itself and has the call again; one that does not is given up, and the caller is offered on. A
silent page whose connection holds is on a bad network: it is given longer. A lost connection alone
is nothing: the edge may have been restarted while the two talk on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from centralita.api.ports import AdmittedPage, IceServer
from centralita.core.bus import Bus
from centralita.core.clock import Clock
from centralita.core.errors import Conflict, Unavailable
from centralita.core.events import Event
from centralita.core.ids import CallId, LegId
from centralita.core.refusals import Refusal
from centralita.core.tasks import Tasks
from centralita.server.config import Config, read_secret
from centralita.telephony.call import (
    CallControl,
    EndReason,
    KeptLeg,
    LegAnswered,
    LegEnded,
    LegSilent,
    TelephonyError,
)
from centralita.telephony.edge.config import ha1
from centralita.telephony.edge.control import EdgeControl, Registration, page_name
from centralita.telephony.edge.events import PageLost, PageRegistered

log = logging.getLogger(__name__)

# A silent page whose connection holds, and one that is about to come back. In seconds.
_BAD_NETWORK = 20.0
_COMING_BACK = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLeg:
    """A leg whose phone is a page. Times are seconds of the loop; None is not so."""

    leg_id: LegId
    call_id: CallId
    extension: str
    silent_at: float | None = None
    returning_at: float | None = None


def give_up_at(leg: PageLeg, lost_at: float | None, page_return: float) -> float | None:
    """When the page of a leg is given up; None while it is heard."""
    if leg.silent_at is None:
        return None
    if lost_at is None:
        deadline = leg.silent_at + _BAD_NETWORK
    else:
        deadline = max(leg.silent_at, lost_at) + page_return
    if leg.returning_at is not None:
        deadline = max(deadline, leg.returning_at + _COMING_BACK)
    return deadline


def turn_credentials(secret: str, name: str, until: datetime) -> tuple[str, str]:
    """User and password for a TURN server that shares `secret` with us, until `until`.

    The way of coturn's use-auth-secret (draft-uberti-behave-turn-rest).
    """
    user = f"{int(until.timestamp())}:{name}"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()


class PagePhones:
    """`api.ports.PhoneControl`."""

    def __init__(
        self,
        config: Config,
        edge: EdgeControl | None,
        registered: Callable[[], Mapping[str, Registration]],
        control: CallControl,
        bus: Bus,
        clock: Clock,
        *,
        lives: timedelta = timedelta(hours=1),
    ) -> None:
        self._config = config
        self._edge = edge
        self._registered = registered
        self._control = control
        self._clock = clock
        self._lives = lives
        self._page_return = config.media.page_return.total_seconds()
        self._tasks = Tasks("pages")
        self._devices: dict[str, str] = {}
        self._legs: dict[LegId, PageLeg] = {}
        self._lost: dict[str, float] = {}
        self._changed = asyncio.Event()
        bus.subscribe(Event, self._take)

    def start(self, kept: Iterable[KeptLeg] = ()) -> None:
        """Begin to watch; `kept` are the legs of the server before this one."""
        for leg in kept:
            if leg.page and leg.answered and leg.ended is None:
                self._legs[leg.leg_id] = PageLeg(
                    leg_id=leg.leg_id,
                    call_id=leg.call_id,
                    extension=leg.page,
                    silent_at=self._now() if leg.silent else None,
                )
        self._tasks.keep(self._give_up, name="give up pages")

    async def close(self) -> None:
        """Watch no more."""
        await self._tasks.close()

    # --- what pages ask ---------------------------------------------------------------------

    async def admit(self, extension: str, device: str, *, take_over: bool) -> AdmittedPage:
        """Let a browser's page be the phone of an extension.

        Raises Conflict (`phone_elsewhere`) while another browser is, unless it is to `take_over`.
        """
        edge = self._its_edge()
        present = self._registered().get(page_name(extension))
        holder = self._devices.get(extension)
        if holder is not None and holder != device and present is not None:
            if not take_over:
                raise Conflict(
                    "your phone is in use at another computer", code=Refusal.PHONE_ELSEWHERE
                )
            await edge.dismiss_page(extension, self._config.sip.domain)
            if present.connection >= 0:
                # It hears of it at once, and not when its registration runs out.
                await edge.close_connections([present.connection])
        password = secrets.token_urlsafe(24)
        until = self._clock.now() + self._lives
        await edge.admit_page(extension, ha1(extension, self._config.sip.domain, password))
        self._devices[extension] = device
        self._returns(extension)
        return AdmittedPage(
            domain=self._config.sip.domain,
            password=password,
            expires_at=until,
            ice_servers=self._ice_servers(extension, until),
        )

    async def dismiss(self, extension: str) -> None:
        """The agent uses another phone, or has signed out."""
        if self._edge is not None:
            try:
                await self._edge.dismiss_page(extension, self._config.sip.domain)
            except Unavailable as exc:
                # It stays among the pages: the next look for those without a right finds it.
                log.warning(
                    "page is not dismissed yet",
                    extra={"extension": extension, "error": str(exc)},
                )
                return
        self._devices.pop(extension, None)

    async def keep_only(self, extensions: Collection[str]) -> None:
        """Dismiss the pages of all other extensions: nobody who may is signed in there."""
        present = {each.extension for each in self._registered().values() if each.page}
        for extension in sorted((present | self._devices.keys()) - set(extensions)):
            log.info("page is dismissed, its session is over", extra={"extension": extension})
            await self.dismiss(extension)

    def leaves(self, extension: str) -> None:
        """A page is being closed, or loaded anew: which of the two only time tells."""
        self._lost[extension] = self._now()
        self._changed.set()

    async def come_back(self, extension: str) -> None:
        """Ring the page for the call that it had, if it had one."""
        self._returns(extension)
        for leg in [leg for leg in self._legs.values() if leg.extension == extension]:
            log.info("page is rung for its call", extra={"leg_id": leg.leg_id})
            try:
                await self._control.ring_again(
                    leg.leg_id,
                    f"sip:{page_name(extension)}@{self._config.sip.domain}",
                    headers={"X-Centralita-Call": leg.call_id, "X-Centralita-Answer": "now"},
                )
            except TelephonyError as exc:
                # It ended in this instant, as the page will see.
                log.info("page not rung", extra={"leg_id": leg.leg_id, "error": str(exc)})

    def _its_edge(self) -> EdgeControl:
        if self._edge is None:
            raise Unavailable(
                "pages can be phones with [sip] edge = kamailio only", code=Refusal.NO_PAGE_PHONES
            )
        return self._edge

    def _ice_servers(self, extension: str, until: datetime) -> tuple[IceServer, ...]:
        media = self._config.media
        user = credential = ""
        if media.turn_secret_file is not None:
            user, credential = turn_credentials(
                read_secret(media.turn_secret_file), extension, until
            )
        return tuple(
            IceServer(urls=(url,), username=user, credential=credential)
            if url.startswith(("turn:", "turns:"))
            else IceServer(urls=(url,))
            for url in media.ice_servers
        )

    # --- what happens -----------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case LegAnswered(leg_id=leg_id, call_id=call_id, page=page) if page:
                self._legs[leg_id] = PageLeg(leg_id=leg_id, call_id=call_id, extension=page)
            case LegEnded(leg_id=leg_id):
                self._legs.pop(leg_id, None)
            case LegSilent(leg_id=leg_id, silent=silent) if leg_id in self._legs:
                log.info("page is silent" if silent else "page is heard", extra={"leg_id": leg_id})
                self._legs[leg_id] = replace(
                    self._legs[leg_id],
                    silent_at=self._now() if silent else None,
                    returning_at=None,
                )
            case PageLost(extension=extension):
                self._lost[extension] = self._now()
            case PageRegistered(extension=extension):
                self._lost.pop(extension, None)
            case _:
                return
        self._changed.set()

    def _returns(self, extension: str) -> None:
        for leg in tuple(self._legs.values()):
            if leg.extension == extension:
                self._legs[leg.leg_id] = replace(leg, returning_at=self._now())
        self._changed.set()

    async def _give_up(self) -> None:
        while True:
            self._changed.clear()
            deadlines = {
                leg.leg_id: at
                for leg in self._legs.values()
                if (at := give_up_at(leg, self._lost.get(leg.extension), self._page_return))
                is not None
            }
            for leg_id, at in deadlines.items():
                if at <= self._now():
                    leg = self._legs.pop(leg_id)
                    log.warning(
                        "page is given up, its call goes on without it",
                        extra={"leg_id": leg_id, "extension": leg.extension},
                    )
                    self._tasks.spawn(self._end(leg_id), name=f"end {leg_id}")
            first = min(
                (at for leg_id, at in deadlines.items() if leg_id in self._legs), default=None
            )
            wait = None if first is None else max(first - self._now(), 0.0) + 0.001
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _end(self, leg_id: LegId) -> None:
        try:
            await self._control.hang_up(leg_id, EndReason.MEDIA_TIMEOUT)
        except TelephonyError as exc:
            log.debug("it has ended already", extra={"leg_id": leg_id, "error": str(exc)})

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
