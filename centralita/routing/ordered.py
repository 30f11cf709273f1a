"""Items in the order of their keys, for queues and deadlines of ten thousand and more.

A sorted list: to find a place takes a dozen comparisons, and to make room there moves some
kilobytes of pointers, which at these sizes is faster than any tree in Python, and leaves nothing
behind that would have to be cleared away later.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from datetime import datetime
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=str)
Key = TypeVar("Key", bound=tuple[object, ...])


class Ordered(Generic[Key, Item]):
    """Each item once, least key first. Equal keys go by the item itself."""

    __slots__ = ("_entries", "_keys")

    def __init__(self) -> None:
        self._entries: list[tuple[Key, Item]] = []
        self._keys: dict[Item, Key] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: Item) -> bool:
        return item in self._keys

    def __iter__(self) -> Iterator[Item]:
        """In order. The order must not change meanwhile."""
        return (item for _, item in self._entries)

    def put(self, item: Item, key: Key) -> None:
        """Add an item, or move it to where its new key belongs."""
        if self._keys.get(item) == key:
            return
        self.drop(item)
        self._keys[item] = key
        insort(self._entries, (key, item))

    def drop(self, item: Item) -> None:
        """Take an item out, if it is in."""
        key = self._keys.pop(item, None)
        if key is not None:
            del self._entries[bisect_left(self._entries, (key, item))]

    def first(self) -> tuple[Key, Item] | None:
        """The least key and its item."""
        return self._entries[0] if self._entries else None

    def entries(self) -> Iterator[tuple[Key, Item]]:
        """Keys and items in order. The order must not change meanwhile."""
        return iter(self._entries)

    def position(self, item: Item) -> int:
        """How many come before an item that is in."""
        return bisect_left(self._entries, (self._keys[item], item))


class Deadlines(Generic[Item]):
    """When each of many things is due."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: Ordered[tuple[datetime, int], Item] = Ordered()

    def put(self, item: Item, due: datetime, turn: int = 0) -> None:
        """`item` is due then. `turn` is its place among those that fall due together."""
        self._order.put(item, (due, turn))

    def drop(self, item: Item) -> None:
        """It is not due any more."""
        self._order.drop(item)

    def next(self) -> datetime | None:
        """When the first is due."""
        first = self._order.first()
        return None if first is None else first[0][0]

    def due(self, now: datetime) -> list[Item]:
        """All that are due by `now`, by their turn. They stay until they are dropped."""
        found: list[tuple[int, Item]] = []
        for (when, turn), item in self._order.entries():
            if when > now:
                break
            found.append((turn, item))
        return [item for _, item in sorted(found)]
