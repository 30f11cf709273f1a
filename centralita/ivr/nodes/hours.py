"""hours: open or closed, by weekday, time of day and holidays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from centralita.ivr.flow import Node, Scene, Step

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(Node, frozen=True, tag="hours"):
    """`week` maps a day or a range of days (`mon-fri`) to spans (`09:00-14:00`).

    A span may end at `24:00`; one that passes midnight is written as two. `holidays` are dates
    (`2026-12-25`, or `12-25` for every year) on which it is closed.
    """

    week: dict[str, list[str]]
    open: str
    closed: str
    timezone: str = "Europe/Madrid"
    holidays: list[str] = msgspec.field(default_factory=list)

    def enter(self, scene: Scene) -> Step:
        local = scene.now.astimezone(ZoneInfo(self.timezone))
        today = local.date()
        if today.isoformat() in self.holidays or today.strftime("%m-%d") in self.holidays:
            return Step(goto=self.closed, note="holiday")
        moment = local.time()
        for days, spans in self.week.items():
            if _DAYS[today.weekday()] in _days(days):
                for span in spans:
                    start, end = _span(span)
                    if start <= moment and (end is None or moment < end):
                        return Step(goto=self.open, note="open")
        return Step(goto=self.closed, note="closed")

    def exits(self) -> Iterator[tuple[str, str]]:
        yield "open", self.open
        yield "closed", self.closed

    def problems(self) -> Iterator[tuple[str, str]]:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            yield "timezone", f'"{self.timezone}" is not a time zone; write "Europe/Madrid"'
        for days, spans in self.week.items():
            if not _days(days):
                yield "week", f'"{days}" is not a day; write "mon", "sat" or "mon-fri"'
            for span in spans:
                try:
                    start, end = _span(span)
                except ValueError:
                    yield f"week.{days}", f'"{span}" is not a span; write "09:00-14:00"'
                else:
                    if end is not None and end <= start:
                        yield f"week.{days}", f'"{span}" ends before it begins; split it in two'
        for day in self.holidays:
            try:
                full = day if len(day) > 5 else f"2024-{day}"
                if date.fromisoformat(full).isoformat() != full:  # 20261225 would never match
                    raise ValueError(day)
            except ValueError:
                yield "holidays", f'"{day}" is not a date; write "2026-12-25" or "12-25"'


def _days(text: str) -> tuple[str, ...]:
    first, _, last = text.partition("-")
    if first not in _DAYS or (last and last not in _DAYS):
        return ()
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return tuple(_DAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))


def _span(text: str) -> tuple[time, time | None]:
    start, dash, end = text.partition("-")
    if not dash or "+" in text or "Z" in text or "-" in end:  # times of day have no zone here
        raise ValueError(text)
    return time.fromisoformat(start), None if end == "24:00" else time.fromisoformat(end)
