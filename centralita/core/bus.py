"""The in-process bus that carries events from one package to its siblings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from centralita.core.events import Event

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)


class Bus:
    """Delivers each event, in the order of publishing, to everyone who asked for its type.

    Handlers are plain functions that return at once: they queue work for a task of their own.
    One that raises is logged and does not keep the others from hearing the event. An event
    published by a handler is delivered after the current one has reached everybody.
    """

    def __init__(self) -> None:
        self._handlers: list[tuple[type[Event], Callable[[Event], None]]] = []
        self._pending: list[Event] = []
        self._delivering = False

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call `handler` for each event of `kind` or a subclass. Returns how to stop."""
        entry = (kind, handler)
        self._handlers.append(entry)  # type: ignore[arg-type]  # narrowed by isinstance

        def stop() -> None:
            if entry in self._handlers:
                self._handlers.remove(entry)

        return stop

    def publish(self, event: Event) -> None:
        """Deliver `event` to its subscribers."""
        self._pending.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                current = self._pending.pop(0)
                for kind, handler in tuple(self._handlers):
                    if isinstance(current, kind):
                        self._deliver(handler, current)
        finally:
            self._delivering = False

    @staticmethod
    def _deliver(handler: Callable[[Event], None], event: Event) -> None:
        try:
            handler(event)
        except Exception:
            log.exception("event handler failed", extra={"event": type(event).__name__})
