"""Customers and messages from files: CSV and mbox. What is known already is left as it is.

A CSV file has a header line and is UTF-8. Its columns:

- customers: `external_id`, `name` and, as wanted, `phone`, `email` (several: separated by `;`),
  `segment`, `language`, `notes`;
- messages: `external_id`, `channel` (sms, email, chat, note), `at` (ISO 8601), `from` or
  `customer` (the customer's external_id) and, as wanted, `direction` (in, out), `subject`, `body`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from centralita.core.clock import Clock
from centralita.core.errors import CentralitaError, InvalidInput
from centralita.core.ids import CustomerId, IdentityId, InteractionId, new_id
from centralita.timeline.files import addresses, clean, csv_rows, mails, message_id, text_of
from centralita.timeline.identity import normal_email, normal_identity, normal_phone
from centralita.timeline.model import (
    Channel,
    Customer,
    Direction,
    Identity,
    IdentityKind,
    Interaction,
)
from centralita.timeline.repositories import CustomerRepository, InteractionRepository

T = TypeVar("T")

CUSTOMER_COLUMNS = frozenset(
    {"external_id", "name", "phone", "email", "segment", "language", "notes"}
)
MESSAGE_COLUMNS = frozenset(
    {"external_id", "channel", "at", "from", "customer", "direction", "subject", "body"}
)
MESSAGE_CHANNELS = {
    channel.value: channel for channel in (Channel.SMS, Channel.EMAIL, Channel.CHAT, Channel.NOTE)
}
BODY_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `problems` are what it left out, each with file and line."""

    added: int
    known: int
    problems: tuple[InvalidInput, ...]


class Importer:
    """Reads files into the timeline. `region` reads national numbers, `zone` times without one."""

    def __init__(
        self,
        customers: CustomerRepository,
        interactions: InteractionRepository,
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
            external_id = _needed(row, "external_id")
            if await self._customers.by_external_id(external_id) is not None:
                return False
            await self._customers.add(self._customer(external_id, row))
            return True

        return await _each(csv_rows(file, CUSTOMER_COLUMNS), one)

    async def messages_csv(self, file: Path) -> Imported:
        """Messages, each known by its external_id. Raises InvalidInput for a bad header."""

        async def one(row: Mapping[str, str]) -> bool:
            external_id = _needed(row, "external_id")
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
                    subject=row.get("subject", ""),
                    body=row.get("body", "")[:BODY_LIMIT],
                    external_id=external_id,
                )
            )
            return made

        return await _each(csv_rows(file, MESSAGE_COLUMNS), one)

    async def mbox(self, file: Path, *, ours: frozenset[str] = frozenset()) -> Imported:
        """Mails of an mbox file, each known by its Message-ID. `ours` are the company's addresses:
        what they send went out, to the customer in To."""
        own = {normal_email(address) for address in ours}

        async def one(message: EmailMessage) -> bool:
            sender = addresses(message, "From")
            if not sender:
                raise InvalidInput("the mail has no sender that could be read", place="From")
            outgoing = sender[0] in own
            others = [one for one in addresses(message, "To") if one not in own]
            if outgoing and not others:
                raise InvalidInput("the mail has no customer in it", place="To")
            whose = others[0] if outgoing else sender[0]
            customer_id, candidates = await self._by_identity(IdentityKind.EMAIL, whose)
            at = self._mail_time(message)
            _, made = await self._interactions.add(
                Interaction(
                    id=InteractionId(new_id("int")),
                    channel=Channel.EMAIL,
                    direction=Direction.OUT if outgoing else Direction.IN,
                    started_at=at,
                    ended_at=at,
                    customer_id=customer_id,
                    candidates=candidates,
                    subject=clean(str(message.get("Subject", "")))[:1000],
                    body=clean(text_of(message))[:BODY_LIMIT],
                    external_id=message_id(message),
                )
            )
            return made

        return await _each(mails(file), one)

    def _customer(self, external_id: str, row: Mapping[str, str]) -> Customer:
        customer_id = CustomerId(new_id("cus"))
        identities: list[Identity] = []
        for kind in IdentityKind:
            for text in (row.get(kind.value) or "").split(";"):
                if not text.strip():
                    continue
                try:
                    value = (
                        normal_email(text)
                        if kind is IdentityKind.EMAIL
                        else normal_phone(text, self._region)
                    )
                except InvalidInput as exc:
                    raise exc.at(kind.value) from exc
                identities.append(
                    Identity(
                        id=IdentityId(new_id("idn")),
                        customer_id=customer_id,
                        kind=kind,
                        value=value,
                    )
                )
        language = row.get("language", "").strip().lower()
        if language and not (len(language) == 2 and language.isalpha()):
            raise InvalidInput(f'"{language}" is not ISO 639-1; write es or en', place="language")
        return Customer(
            id=customer_id,
            name=_needed(row, "name"),
            created_at=self._clock.now(),
            segment=row.get("segment", ""),
            language=language,
            notes=row.get("notes", ""),
            external_id=external_id,
            identities=tuple(identities),
        )

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
        return at if at.tzinfo is not None else at.replace(tzinfo=self._zone)

    def _mail_time(self, message: EmailMessage) -> datetime:
        header = message["Date"]
        at = getattr(header, "datetime", None)
        if not isinstance(at, datetime):
            raise InvalidInput("the mail has no date that could be read", place="Date")
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


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
        except CentralitaError as exc:
            problems.append(InvalidInput(str(exc), place=place))
        else:
            added, known = added + made, known + (not made)
    return Imported(added, known, tuple(problems))


def _needed(row: Mapping[str, str], column: str) -> str:
    text = (row.get(column) or "").strip()
    if not text:
        raise InvalidInput("is empty", place=column)
    return text
