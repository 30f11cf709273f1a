"""`open_store(url)`: a database brought up to date, and its repositories."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from centralita.store.access import ApiTokens, Users
from centralita.store.accounts import Accounts
from centralita.store.audit import Audit
from centralita.store.calls import CallEvents, Journals, Recordings
from centralita.store.cases import Cases, Tasks
from centralita.store.centre import Agents, Flows, Queues, Settings
from centralita.store.customers import Customers
from centralita.store.database import Database
from centralita.store.days import Days
from centralita.store.erasure import Erasure
from centralita.store.expiry import Expiry
from centralita.store.interactions import Interactions
from centralita.store.merges import Merges
from centralita.store.outbound import OutboundCalls
from centralita.store.outbox import Outbox
from centralita.store.searching import Searching
from centralita.store.sessions import Sessions
from centralita.store.writing import Tags, Templates
from centralita.timeline.context import ContextReader
from centralita.timeline.journal import CallJournal


class Store:
    """Everything that is kept, by what it is about."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = Customers(database)
        self.interactions = Interactions(database)
        self.templates = Templates(database)
        self.outbox = Outbox(database)
        self.tags = Tags(database)
        self.days = Days(database)
        self.merges = Merges(database)
        self.erasure = Erasure(database)
        self.expiry = Expiry(database)
        self.search = Searching(database)
        self.cases = Cases(database)
        self.tasks = Tasks(database)
        self.call_events = CallEvents(database)
        self.journals = Journals(database)
        self.recordings = Recordings(database)
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.accounts = Accounts(database)
        self.api_tokens = ApiTokens(database)
        self.agents = Agents(database)
        self.queues = Queues(database)
        self.flows = Flows(database)
        self.settings = Settings(database)
        self.audit = Audit(database)
        self.outbound = OutboundCalls(database)
        self.journal = CallJournal(self.interactions, self.call_events)
        self.context = ContextReader(
            self.customers, self.interactions, self.cases, database.snapshot
        )

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """All that this task asks of the repositories within the block happens, or none of it."""
        return self.database.transaction()

    async def ping(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer."""
        await self.database.ping()

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()


async def open_store(url: str, *, password: str | None = None) -> Store:
    """Open the database at `url` and bring its tables up to date.

    `url` is `sqlite:///file`, a file's path, or `postgresql://user:password@host/name`;
    `password` stands for the one in the URL. Raises InvalidInput for another kind of database and
    DatabaseUnavailable when it cannot be reached.
    """
    database = Database(url, password=password)
    try:
        await database.upgrade()
    except BaseException:
        await database.close()
        raise
    return Store(database)
