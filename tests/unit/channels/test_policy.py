"""What becomes of a message after a try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from centralita.channels.ledger import Again, Failed, Taken, Verdict
from centralita.channels.policy import GIVE_UP, after, interrupted
from centralita.channels.protocol import Delayed, Letter, NotSent, Refused, Trouble, Unclear
from centralita.core.ids import MessageId

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LETTER = Letter(
    id=MessageId("msg_1"), to="julia@example.org", subject="", body="Hola", written_at=NOON
)


def taken(tries: int, since: datetime = NOON) -> Taken:
    return Taken(letter=LETTER, tries=tries, since=since)


def tried(
    error: NotSent, *, tries: int = 1, now: datetime = NOON, repeatable: bool = True,
    in_trouble: timedelta = timedelta(0),
) -> Verdict:  # fmt: skip
    return after(taken(tries), error, now, repeatable=repeatable, in_trouble=in_trouble)


def test_the_pauses_grow_until_a_day_is_over() -> None:
    now, tries, pauses = NOON, 1, []
    while True:
        verdict = tried(Delayed(Trouble.BUSY, "451"), tries=tries, now=now)
        if isinstance(verdict, Failed):
            break
        assert isinstance(verdict, Again)
        pauses.append(verdict.at - now)
        now, tries = verdict.at, tries + 1
    assert pauses[:5] == [
        timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1),
        timedelta(hours=3),
    ]  # fmt: skip
    assert set(pauses[5:]) == {timedelta(hours=3)}
    assert GIVE_UP - timedelta(hours=3) < now - NOON <= GIVE_UP
    assert verdict == Failed(trouble=Trouble.BUSY, answer="451")


@pytest.mark.parametrize(
    ("error", "repeatable", "expected"),
    [
        (Refused(Trouble.ADDRESS, "550"), True, "failed"),
        (Refused(Trouble.REJECTED, "554"), False, "failed"),
        (Delayed(Trouble.LOGIN, "535"), False, "again"),
        (Unclear("silence"), False, "failed"),
        (Unclear("silence"), True, "again"),
    ],
)
def test_only_what_is_final_is_not_tried_again(
    error: NotSent, repeatable: bool, expected: str
) -> None:
    verdict = tried(error, repeatable=repeatable)
    assert type(verdict).__name__.lower() == expected


@pytest.mark.parametrize(
    ("in_trouble", "pause"),
    [
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(minutes=8), timedelta(minutes=2)),
        (timedelta(hours=9), timedelta(minutes=10)),
    ],
)
def test_a_server_in_trouble_is_asked_more_seldom_the_longer_it_lasts(
    in_trouble: timedelta, pause: timedelta
) -> None:
    verdict = tried(Delayed(Trouble.LOGIN, "535"), tries=7, in_trouble=in_trouble)
    assert isinstance(verdict, Again) and verdict.at == NOON + pause


def test_what_may_have_gone_is_repeated_only_where_that_is_noticed() -> None:
    again = interrupted(taken(1), NOON, repeatable=True)
    assert isinstance(again, Again) and again.at == NOON
    left = interrupted(taken(1), NOON, repeatable=False)
    assert isinstance(left, Failed) and left.trouble is Trouble.UNCLEAR
