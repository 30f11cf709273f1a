"""What people at the pages can be refused, so that each page can say it in its own language."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Refusal(StrEnum):
    """Why somebody may not do what they ask for. Stable.

    Before the dot stands the code that programs know, after it what is in the way exactly. Each has
    its words in every language of the pages; `VALUES` names what the words of some need.
    """

    WRONG_CREDENTIALS = "wrong_credentials"
    CSRF = "csrf"

    # Accounts.
    LAST_ADMIN = "conflict.last_admin"
    EXTENSION_TAKEN = "conflict.extension"
    NO_SUCH_SESSION = "not_found.session"
    NOT_FOR_TOKENS = "forbidden.token"
    OLD_PASSWORD_WRONG = "invalid_input.old_password"
    PASSWORD_SHORT = "invalid_input.password_short"
    PASSWORD_WEAK = "invalid_input.password_weak"
    PASSWORD_UNCHANGED = "invalid_input.password_unchanged"

    # The phone, the status, the wrap-up.
    NO_AGENT = "no_agent"
    NO_EXTENSION = "forbidden.no_extension"
    NO_PAGE_PHONES = "unavailable.page_phones"
    NEEDS_HTTPS = "needs_https"
    PHONE_ELSEWHERE = "phone_elsewhere"
    NOT_YOUR_STATUS = "forbidden.status"
    NO_WRAP_UP = "no_wrap_up"

    # Conversations.
    NOT_YOUR_CONVERSATION = "forbidden.conversation"
    CALL_OVER = "not_found.conversation"
    NOT_TRANSCRIBED = "not_found.live_transcript"
    NOT_TALKING = "not_talking"
    NOT_ALONE = "not_talking.not_alone"
    NOT_HELD = "not_talking.not_held"
    NO_CONSULTATION = "no_consultation"
    IN_CONFERENCE = "no_consultation.conference"
    COLLEAGUE_LEFT = "no_consultation.left"
    THIRD_RINGS = "third_rings"
    ALREADY_CONSULTING = "already_consulting"
    HAS_THE_CALL = "agent_unavailable.has_the_call"
    NOBODY_FREE = "agent_unavailable.nobody_free"
    AGENT_RINGS = "agent_unavailable.offered"
    AGENT_TALKS = "agent_unavailable.in_call"
    AGENT_WRAPS_UP = "agent_unavailable.wrap_up"
    AGENT_ON_BREAK = "agent_unavailable.on_break"
    AGENT_LOGGED_OUT = "agent_unavailable.logged_out"
    AGENT_WITHOUT_PHONE = "agent_unavailable.no_phone"
    NO_SUCH_AGENT = "not_found.agent"
    NO_SUCH_QUEUE = "not_found.queue"
    NO_SUCH_FLOW = "not_found.flow"
    PARKING_FULL = "parking_full"
    NOBODY_PARKED = "not_found.parked"
    RECORDING_UNCHANGED = "unavailable.recording"

    # Numbers. The last word of `not_allowed` is the policy's reason.
    CANNOT_DIAL = "cannot_dial"
    NO_TRUNK = "cannot_dial.no_trunk"
    IS_A_COLLEAGUE = "cannot_dial.colleague"
    SERVES_NO_QUEUE = "not_allowed.no_queue"
    NOT_YOUR_QUEUE = "not_allowed.not_your_queue"
    OUT_NOT_A_NUMBER = "not_allowed.not_a_number"
    OUT_NOT_ALLOWED = "not_allowed.not_allowed"
    OUT_COSTLY = "not_allowed.costly"
    OUT_NIGHT = "not_allowed.night"
    OUT_NOT_SIGNED_IN = "not_allowed.not_signed_in"
    OUT_CALLS_OF_CALLER = "not_allowed.calls_of_caller"
    OUT_TIME_OF_CALLER = "not_allowed.time_of_caller"
    OUT_CALLS = "not_allowed.calls"
    OUT_TIME = "not_allowed.time"
    OUT_CONCURRENT = "not_allowed.concurrent"
    OUT_UNAVAILABLE = "not_allowed.unavailable"

    MESSAGE_NOT_ALLOWED = "not_allowed.message"
    MESSAGES_OF_WRITER = "not_allowed.messages_of_writer"
    MESSAGES_OF_ALL = "not_allowed.messages"

    # Tasks.
    TAKEN = "taken"
    NO_SUCH_TASK = "not_found.task"
    NOT_YOURS_TO_GIVE = "forbidden.task"
    NOT_YOUR_QUEUES_TASK = "forbidden.task_of_queue"
    IN_THE_PAST = "invalid_input.past"
    UNKNOWN_QUEUE = "invalid_input.queue"
    UNKNOWN_AGENT = "invalid_input.agent"

    # Customers, contacts and cases.
    NOT_A_NUMBER = "invalid_input.phone"
    WRONG_LENGTH = "invalid_input.phone_length"
    NOT_AN_ADDRESS = "invalid_input.email"
    NO_SUCH_CUSTOMER = "not_found.customer"
    UNKNOWN_CUSTOMER = "invalid_input.customer"
    UNKNOWN_CONTACT = "invalid_input.contact"
    CUSTOMER_EXISTS = "conflict.customer_exists"
    ALREADY_THERE = "conflict.exists"
    CALL_GOES_ON = "conflict.call_goes_on"
    INTO_ITSELF = "invalid_input.same_customer"
    UNDONE_ALREADY = "undone_already"
    MERGED_ON = "merged_on"
    NOT_YOUR_CONTACT = "forbidden.contact"
    NO_SUCH_CONTACT = "not_found.contact"
    NO_SUCH_CASE = "not_found.case"
    CASE_OF_ANOTHER = "invalid_input.case"

    # Messages.
    SENT_ALREADY = "sent_already"
    NOT_YOUR_MESSAGE = "forbidden.message"

    # What is heard.
    NOT_TO_BE_HEARD = "forbidden.recording"
    RECORDING_GONE = "recording_gone"
    RECORDING_UNREADABLE = "recording_unreadable"


VALUES: Mapping[Refusal, frozenset[str]] = {
    Refusal.EXTENSION_TAKEN: frozenset({"name", "extension"}),
    Refusal.PASSWORD_SHORT: frozenset({"shortest"}),
    Refusal.AGENT_RINGS: frozenset({"name"}),
    Refusal.AGENT_TALKS: frozenset({"name"}),
    Refusal.AGENT_WRAPS_UP: frozenset({"name"}),
    Refusal.AGENT_ON_BREAK: frozenset({"name"}),
    Refusal.AGENT_LOGGED_OUT: frozenset({"name"}),
    Refusal.AGENT_WITHOUT_PHONE: frozenset({"name"}),
    Refusal.NOBODY_PARKED: frozenset({"slot"}),
    Refusal.OUT_NOT_A_NUMBER: frozenset({"number"}),
    Refusal.OUT_NOT_ALLOWED: frozenset({"number", "rule"}),
    Refusal.OUT_COSTLY: frozenset({"number"}),
    Refusal.OUT_NIGHT: frozenset({"number"}),
    Refusal.OUT_CALLS_OF_CALLER: frozenset({"calls"}),
    Refusal.OUT_TIME_OF_CALLER: frozenset({"minutes"}),
    Refusal.OUT_CALLS: frozenset({"calls"}),
    Refusal.OUT_TIME: frozenset({"minutes"}),
    Refusal.OUT_CONCURRENT: frozenset({"calls"}),
    Refusal.MESSAGE_NOT_ALLOWED: frozenset({"number"}),
    Refusal.MESSAGES_OF_WRITER: frozenset({"messages", "rule"}),
    Refusal.MESSAGES_OF_ALL: frozenset({"messages", "rule"}),
    Refusal.NOT_A_NUMBER: frozenset({"text"}),
    Refusal.WRONG_LENGTH: frozenset({"text"}),
    Refusal.NOT_AN_ADDRESS: frozenset({"text"}),
}
"""What the words of a refusal need; the others need nothing."""
