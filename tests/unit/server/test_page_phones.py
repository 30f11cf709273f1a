"""Pages as phones: who is admitted, and how long a page that is gone is waited for."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from centralita.core.ids import CallId, LegId
from centralita.server.page_phones import PageLeg, give_up_at, turn_credentials

RETURN = 3.0


def leg(**times: float) -> PageLeg:
    return PageLeg(leg_id=LegId("leg"), call_id=CallId("call"), extension="201", **times)


@pytest.mark.parametrize("lost_at", [None, 5.0])
def test_a_page_that_is_heard_is_never_given_up_whatever_its_connection_does(
    lost_at: float | None,
) -> None:
    assert give_up_at(leg(), lost_at, RETURN) is None


def test_a_page_that_is_silent_and_gone_is_given_up_soon_after_both_are_known() -> None:
    assert give_up_at(leg(silent_at=10.0), 11.0, RETURN) == 14.0
    assert give_up_at(leg(silent_at=10.0), 9.0, RETURN) == 13.0


def test_a_silent_page_whose_connection_holds_is_given_longer() -> None:
    assert give_up_at(leg(silent_at=10.0), None, RETURN) == 30.0


def test_a_page_that_is_coming_back_is_waited_for() -> None:
    assert give_up_at(leg(silent_at=10.0, returning_at=12.0), 10.0, RETURN) == 18.0


def test_a_name_for_turn_serves_until_its_time_and_is_signed_with_the_shared_secret() -> None:
    until = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    user, password = turn_credentials("s3cret", "201", until)
    assert user == "1767614400:201"
    assert base64.b64decode(password) == hmac.digest(b"s3cret", user.encode(), hashlib.sha1)
