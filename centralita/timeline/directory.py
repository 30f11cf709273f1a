"""Who is this caller?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from centralita.core.clock import Clock
from centralita.core.ids import CustomerId
from centralita.timeline.identity import caller_identity, is_withheld
from centralita.timeline.model import Customer, IdentityKind, new_provisional
from centralita.timeline.repositories import CustomerRepository


@dataclass(frozen=True, slots=True)
class Known:
    """One customer has this number."""

    customer: Customer
    number: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Several customers share this number. An agent says which one it was; we never guess."""

    customers: tuple[Customer, ...]
    number: str


@dataclass(frozen=True, slots=True)
class Provisional:
    """Nobody had this number: a customer without a name stands for it from now on.

    A `new` one was made for this call and may not be stored yet; see `Directory.keep`.
    """

    customer: Customer
    number: str
    new: bool = False


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody's customer: the caller withholds the number, or it is one that calls for help."""

    number: str = ""


@dataclass(frozen=True, slots=True)
class Unidentified:
    """The customers could not be asked: shown by number, and looked up when they can."""

    number: str


Caller = Known | Choice | Provisional | Anonymous | Unidentified

# So many callers are known while the database is away.
_REMEMBERED = 10_000


def customer_of(caller: Caller) -> Customer | None:
    """The one customer this caller is, if there is exactly one."""
    match caller:
        case Known(customer) | Provisional(customer):
            return customer
        case Choice() | Anonymous() | Unidentified():
            return None


def candidates_of(caller: Caller) -> tuple[CustomerId, ...]:
    """The customers it may be, if there are several."""
    return tuple(customer.id for customer in caller.customers) if isinstance(caller, Choice) else ()


class Directory:
    """Finds customers by what telephony says about a caller. `region` is the site's (ISO 3166).
    A number that `calls_for_help` (112) is no customer's.

    Who calls for the first time gets a customer at once and in memory: a call must not wait for a
    database to write. `keep` stores that customer, together with the entry of the call.
    """

    def __init__(
        self,
        customers: CustomerRepository,
        clock: Clock,
        *,
        region: str,
        calls_for_help: Callable[[str], bool] = lambda number: False,
    ) -> None:
        self._customers = customers
        self._clock = clock
        self._seen: OrderedDict[str, Caller] = OrderedDict()
        self._unstored: dict[str, Customer] = {}
        self._calls_for_help = calls_for_help
        self.region = region

    async def who_is(self, caller: str, region: str | None = None) -> Caller:
        """Who calls from `caller`, a number as received; a new one gets a provisional customer.

        Reads, and writes nothing.
        """
        if is_withheld(caller):
            return Anonymous()
        if self._calls_for_help(caller):
            return Anonymous(caller)
        return await self.identify(caller_identity(caller, region or self.region))

    async def identify(self, number: str) -> Caller:
        """As `who_is`, of a number that is normalised already."""
        answer = await self._ask(number)
        self._remember(answer)
        return answer

    async def keep(self, caller: Caller) -> Caller:
        """Store the customer of a caller who is new; returns the caller as the store has it."""
        if not isinstance(caller, Provisional) or not caller.new:
            return caller
        stored = await self._customers.keep_provisional(caller.customer)
        self._unstored.pop(caller.number, None)
        kept = (Provisional if stored.provisional else Known)(stored, caller.number)
        self._remember(kept)
        return kept

    def forget(self, numbers: Iterable[str]) -> None:
        """Know nothing of these any more: their customer was erased."""
        for number in numbers:
            self._seen.pop(number, None)
            self._unstored.pop(number, None)

    def recall(self, caller: str, region: str | None = None) -> Caller:
        """As `who_is`, without asking: who it was the last time, or nobody known."""
        if is_withheld(caller):
            return Anonymous()
        if self._calls_for_help(caller):
            return Anonymous(caller)
        number = caller_identity(caller, region or self.region)
        return self._seen.get(number) or Unidentified(number)

    def _remember(self, caller: Caller) -> None:
        self._seen[caller.number] = caller
        self._seen.move_to_end(caller.number)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    async def _ask(self, number: str) -> Caller:
        before = self._seen.get(number)
        found = await self._customers.by_identity(IdentityKind.PHONE, number)
        meanwhile = self._seen.get(number)
        match found:
            case () if meanwhile is not None and meanwhile is not before:
                # Stored while we asked, and the answer is older than that.
                return meanwhile
            case ():
                # Two calls from one new number are one new customer.
                made = self._unstored.get(number)
                if made is None:
                    made = new_provisional(IdentityKind.PHONE, number, self._clock.now())
                    self._unstored[number] = made
                return Provisional(made, number, new=True)
            case (customer,) if customer.provisional:
                return Provisional(customer, number)
            case (customer,):
                return Known(customer, number)
            case _:
                return Choice(found, number)
