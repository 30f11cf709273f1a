"""Going through a chain and saying what is wrong with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from centralita.audit.entry import Action, Entry, Tip, hash_of


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that is not what was written, and what is wrong with it."""

    seq: int
    reason: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.reason}"


class Verifier:
    """Takes the entries in order; `broken` is set at the first that is wrong.

    `anchors` are tips that are known from elsewhere: the head file, a note on paper.
    """

    def __init__(self, anchors: tuple[Tip, ...] = ()) -> None:
        self.tip = Tip()
        self.broken: Break | None = None
        self.remarks: list[str] = []
        self._anchors: dict[int, set[str]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, set()).add(anchor.hash)

    def take(self, entry: Entry) -> None:
        """The next entry."""
        if self.broken is None:
            self.broken = self._wrong(entry)
            if self.broken is not None:
                return
            self.tip = entry.tip
            if entry.action == Action.ANCHOR_LOST:
                self.remarks.append(
                    f"entry {entry.seq} of {entry.at:%Y-%m-%d %H:%M}: the anchor of the log was "
                    f"not as it should be: {entry.details}"
                )

    def end(self) -> Break | None:
        """After the last entry: what is wrong, or None."""
        if self.broken is None:
            beyond = [seq for seq in self._anchors if seq > self.tip.seq]
            if beyond:
                self.broken = Break(
                    self.tip.seq + 1,
                    f"is missing, and all after it up to {max(beyond)}, where the log once ended",
                )
        return self.broken

    def _wrong(self, entry: Entry) -> Break | None:
        expected = self.tip.seq + 1
        if entry.seq > expected:
            more = f", and all after it up to {entry.seq - 1}" if entry.seq > expected + 1 else ""
            return Break(expected, f"is missing{more}: deleted")
        if entry.seq < expected:
            return Break(entry.seq, "stands where it does not belong")
        if hash_of(entry) != entry.hash:
            return Break(entry.seq, "was altered: its content does not give its hash")
        if entry.prev != self.tip.hash:
            return Break(
                entry.seq,
                f"does not follow entry {self.tip.seq}: one of the two was inserted, moved or "
                "written anew",
            )
        if not self._anchors.get(entry.seq, {entry.hash}) <= {entry.hash}:
            return Break(entry.seq, "is not the entry that the log was anchored with")
        return None
