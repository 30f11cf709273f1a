"""Customers and messages from files: CSV and mbox. What is known already is left as it is.

A CSV file has a header line; `csv_files.py` says how it may be written. Its columns:

- customers: `external_id`, `name` and, as wanted, `phone`, `email` (several: separated by `;`, `,`
  or ` / `), `segment`, `language`, `notes`;
- messages: `external_id`, `channel` (sms, email, chat, note), `at` (ISO 8601), `from` or
  `customer` (the customer's external_id) and, as wanted, `direction` (in, out), `subject`, `body`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError, InvalidInput, Unavailable
from centralita.core.ids import CustomerId, IdentityId, InteractionId, new_id
from centralita.timeline.csv_files import Columns, csv_rows, several
from centralita.timeline.identity import normal_email, normal_identity, normal_phone
from centralita.timeline.mail_files import Mail, mails
from centralita.timeline.model import (
    Channel,
    Customer,
    Direction,
    Identity,
    IdentityKind,
    Interaction,
)
from centralita.timeline.rehearsal import CustomersToImport, EntriesToImport

T = TypeVar("T")

CUSTOMER_COLUMNS: Columns = {
    "external_id": ("id", "código", "code", "customer", "cliente", "id cliente", "customer id",
                    "número de cliente", "customer number"),
    "name": ("nombre", "nombre completo", "full name", "razón social"),
    "phone": ("phones", "teléfono", "teléfonos", "tel", "tlf", "móvil", "mobile", "telephone",
              "phone number", "número de teléfono"),
    "email": ("emails", "e-mail", "mail", "correo", "correos", "correo electrónico",
              "email address"),
    "segment": ("segmento",),
    "language": ("idioma", "lengua", "lang"),
    "notes": ("notas", "observaciones", "comentarios", "comments"),
}  # fmt: skip
MESSAGE_COLUMNS: Columns = {
    "external_id": ("id", "código", "code", "message id"),
    "channel": ("canal",),
    "at": ("fecha", "fecha y hora", "date", "time", "datetime", "timestamp"),
    "from": ("de", "remitente", "sender"),
    "customer": ("cliente", "customer id", "id cliente"),
    "direction": ("dirección", "sentido"),
    "subject": ("asunto",),
    "body": ("texto", "cuerpo", "mensaje", "text", "message"),
}  # fmt: skip
MESSAGE_CHANNELS = {
    channel.value: channel for channel in (Channel.SMS, Channel.EMAIL, Channel.CHAT, Channel.NOTE)
}
BODY_LIMIT = 200_000
# As the API has it, in signs.
_SHORT, _NOTES = 200, 20_000
# Nothing was said before there were telegraphs, and nothing that is yet to come: a time that was
# written without its zone may be wrong by half a day.
_EARLIEST = datetime(1840, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `problems` are what it left out, each with file and line or mail.

    `stopped` says that the database went away in the middle; the file can be read again.
    """

    added: int
    known: int
    problems: tuple[InvalidInput, ...]
    stopped: bool = False


class Importer:
    """Reads files into the timeline. `region` reads national numbers, `zone` times without one."""

    def __init__(
        self,
        customers: CustomersToImport,
        interactions: EntriesToImport,
        clock: Clock,
        *,
        region: str,
        zone: tzinfo | None = None,
    ) -> None:
        self._customers = customers
        self._interactions = interactions
        self._clock = clock
        self._region = region
        self._zone = zone or ZoneInfo("UTC")

    async def customers_csv(self, file: Path) -> Imported:
        """Customers, each known by its external_id. Raises InvalidInput for a bad header."""

        async def one(row: Mapping[str, str]) -> bool:
            external_id = _bounded("external_id", _needed(row, "external_id"), _SHORT)
            if await self._customers.by_external_id(external_id) is not None:
                return False
            await self._customers.add(self._customer(external_id, row))
            return True

        return await _each(csv_rows(file, CUSTOMER_COLUMNS), one)

    async def messages_csv(self, file: Path) -> Imported:
        """Messages, each known by its external_id. Raises InvalidInput for a bad header."""

        async def one(row: Mapping[str, str]) -> bool:
            external_id = _bounded("external_id", _needed(row, "external_id"), _SHORT)
            if row.get("channel") not in MESSAGE_CHANNELS:
                raise InvalidInput(
                    f'"{row.get("channel", "")}" is not one of {", ".join(MESSAGE_CHANNELS)}',
                    place="channel",
                )
            direction = row.get("direction") or "in"
            if direction not in ("in", "out"):
                raise InvalidInput(f'"{direction}" is neither in nor out', place="direction")
            customer_id, candidates = await self._whose(row)
            at = self._time(_needed(row, "at"))
            _, made = await self._interactions.add(
                Interaction(
                    id=InteractionId(new_id("int")),
                    channel=MESSAGE_CHANNELS[row["channel"]],
                    direction=Direction(direction),
                    started_at=at,
                    ended_at=at,
                    customer_id=customer_id,
                    candidates=candidates,
                    subject=row.get("subject", "")[:1000],
                    body=row.get("body", "")[:BODY_LIMIT],
                    external_id=external_id,
                )
            )
            return made

        return await _each(csv_rows(file, MESSAGE_COLUMNS), one)

    async def mbox(self, file: Path, *, ours: frozenset[str] = frozenset()) -> Imported:
        """Mails of an mbox file, each known by its Message-ID. `ours` are the company's addresses:
        what they send went out, to the customer in To or Cc."""
        own = {normal_email(address) for address in ours}

        async def one(mail: Mail) -> bool:
            if not mail.sender:
                raise InvalidInput("the mail has no sender that could be read", place="From")
            outgoing = mail.sender in own
            others = [one for one in mail.to if one not in own]
            if outgoing and not others:
                raise InvalidInput("the mail has no customer in it", place="To")
            if mail.at is None:
                raise InvalidInput("the mail has no date that could be read", place="Date")
            at = _sane(mail.at, "Date")
            whose = others[0] if outgoing else mail.sender
            customer_id, candidates = await self._by_identity(IdentityKind.EMAIL, whose)
            _, made = await self._interactions.add(
                Interaction(
                    id=InteractionId(new_id("int")),
                    channel=Channel.EMAIL,
                    direction=Direction.OUT if outgoing else Direction.IN,
                    started_at=at,
                    ended_at=at,
                    customer_id=customer_id,
                    candidates=candidates,
                    subject=mail.subject[:1000],
                    body=mail.body[:BODY_LIMIT],
                    external_id=mail.id,
                )
            )
            return made

        return await _each(mails(file), one)

    def _customer(self, external_id: str, row: Mapping[str, str]) -> Customer:
        customer_id = CustomerId(new_id("cus"))
        identities = {
            (kind, value): Identity(
                id=IdentityId(new_id("idn")), customer_id=customer_id, kind=kind, value=value
            )
            for kind in IdentityKind
            for value in self._values(kind, row.get(kind.value) or "")
        }
        language = row.get("language", "").strip().lower()
        if language and not (len(language) == 2 and language.isalpha()):
            raise InvalidInput(f'"{language}" is not ISO 639-1; write es or en', place="language")
        return Customer(
            id=customer_id,
            name=_bounded("name", _needed(row, "name"), _SHORT),
            created_at=self._clock.now(),
            segment=_bounded("segment", row.get("segment", ""), _SHORT),
            language=language,
            notes=_bounded("notes", row.get("notes", ""), _NOTES),
            external_id=external_id,
            identities=tuple(identities.values()),
        )

    def _values(self, kind: IdentityKind, cell: str) -> list[str]:
        """The numbers or addresses in a cell, all of them."""

        def normal(text: str) -> str:
            if kind is IdentityKind.EMAIL:
                return normal_email(text)
            return normal_phone(text, self._region)

        try:
            return [normal(part) for part in several(cell)]
        except InvalidInput as exc:
            raise exc.at(kind.value) from exc

    async def _whose(
        self, row: Mapping[str, str]
    ) -> tuple[CustomerId | None, tuple[CustomerId, ...]]:
        if row.get("customer"):
            customer = await self._customers.by_external_id(row["customer"])
            if customer is None:
                raise InvalidInput(
                    f'there is no customer with the external_id "{row["customer"]}"',
                    place="customer",
                )
            return customer.id, ()
        try:
            kind, value = normal_identity(_needed(row, "from"), self._region)
        except InvalidInput as exc:
            raise exc.at("from") from exc
        return await self._by_identity(kind, value)

    async def _by_identity(
        self, kind: IdentityKind, value: str
    ) -> tuple[CustomerId | None, tuple[CustomerId, ...]]:
        found = await self._customers.by_identity(kind, value)
        if len(found) > 1:
            return None, tuple(customer.id for customer in found)
        if found:
            return found[0].id, ()
        return (await self._customers.provisional(kind, value, self._clock.now())).id, ()

    def _time(self, text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text)
        except ValueError as exc:
            raise InvalidInput(
                f'"{text}" is not a time; write 2026-01-31T17:05:00', place="at"
            ) from exc
        return _sane(at if at.tzinfo is not None else at.replace(tzinfo=self._zone), "at")


# --- reading ------------------------------------------------------------------------------------


async def _each(
    entries: Iterator[tuple[str, T | InvalidInput]], one: Callable[[T], Awaitable[bool]]
) -> Imported:
    """Take in every entry; a refused one is a problem with its place, and the rest goes on."""
    added = known = 0
    problems: list[InvalidInput] = []
    for place, entry in entries:
        if isinstance(entry, InvalidInput):
            problems.append(entry)
            continue
        try:
            made = await one(entry)
        except InvalidInput as exc:
            where = f"{place}: {exc.place}" if exc.place else place
            problems.append(InvalidInput(exc.reason, place=where))
        except Unavailable as exc:
            problems.append(InvalidInput(f"{exc}; nothing is read from here on", place=place))
            return Imported(added, known, tuple(problems), stopped=True)
        except CentralitaError as exc:
            problems.append(InvalidInput(str(exc), place=place))
        else:
            added, known = added + made, known + (not made)
    return Imported(added, known, tuple(problems))


def _sane(at: datetime, place: str) -> datetime:
    """A time in UTC at which something can have been said; raises InvalidInput."""
    try:
        at = at.astimezone(UTC)
    except OverflowError as exc:
        raise InvalidInput("lies at the end of time", place=place) from exc
    if not _EARLIEST <= at <= datetime.now(UTC) + _AHEAD:
        raise InvalidInput(f"{at:%Y-%m-%d} cannot be when it was said", place=place)
    return at


def _bounded(column: str, text: str, most: int) -> str:
    if len(text) > most:
        raise InvalidInput(f"is longer than {most} signs", place=column)
    return text


def _needed(row: Mapping[str, str], column: str) -> str:
    text = (row.get(column) or "").strip()
    if not text:
        raise InvalidInput("is empty", place=column)
    return text
