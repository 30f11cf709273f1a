"""Every endpoint as a value: routes, checks and the OpenAPI document come from this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from centralita.api import schemas as s
from centralita.api.schemas import oncall as o

PREFIX = "/api/v1"

# How large bodies may be, in bytes: a name and a password, most, notes, letters and flows.
SIGN_IN = 4 * 1024
MOST = 64 * 1024
NOTES = 256 * 1024
LETTERS = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path.

    `role` is the least role that may use it; None means that nobody has to sign in. `answers` maps
    a status to the type of the body, None for none and `bytes` for one that is not JSON. A body
    that is larger than `max_body` is refused before it is read.
    """

    name: str
    method: str
    path: str
    summary: str
    role: s.Role | None = "agent"
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    max_body: int = MOST
    answers: Mapping[int, object] = field(default_factory=dict)


def _get(
    name: str,
    path: str,
    answer: object,
    summary: str,
    *,
    role: s.Role | None = "agent",
    query: type[msgspec.Struct] | None = None,
) -> Endpoint:
    return Endpoint(
        name=name,
        method="GET",
        path=path,
        summary=summary,
        role=role,
        query=query,
        answers={200: answer},
    )


def _send(
    name: str,
    method: str,
    path: str,
    body: type[msgspec.Struct] | None,
    answers: Mapping[int, object],
    summary: str,
    *,
    role: s.Role | None = "agent",
    max_body: int = MOST,
) -> Endpoint:
    return Endpoint(
        name=name,
        method=method,
        path=path,
        summary=summary,
        role=role,
        body=body,
        max_body=max_body,
        answers=answers,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    # signing in
    _send("sign_in", "POST", "/session", s.SignIn, {200: s.Session},
          "Sign in by name and password. Also sets the page's cookies.", role=None,
          max_body=SIGN_IN),
    _get("session", "/session", s.Session, "The session this request belongs to."),
    _send("sign_out", "DELETE", "/session", None, {204: None}, "End the session."),
    _get("me", "/me", s.Me, "Who I am, and the agent that I am."),
    _get("tokens", "/tokens", s.Page[s.ApiToken], "The API tokens.", role="admin"),
    _send("make_token", "POST", "/tokens", s.TokenRequest, {201: s.ApiToken},
          "Make an API token; it is shown this once.", role="admin"),
    _send("revoke_token", "DELETE", "/tokens/{id}", None, {204: None},
          "Revoke an API token.", role="admin"),
    _send("change_own_password", "PUT", "/me/password", s.PasswordChange, {204: None},
          "Change the own password; all other sessions end."),
    _get("own_sessions", "/me/sessions", s.Page[s.SignedIn],
         "Where I am signed in, the latest first."),
    _send("end_own_session", "DELETE", "/me/sessions/{id}", None, {204: None},
          "End one of the own sessions, with its live feed and its phone."),
    # accounts
    _get("users", "/users", s.Page[s.Account], "Everybody who signs in, or did.", role="admin"),
    _send("change_user", "PATCH", "/users/{id}", s.AccountPatch, {200: s.Account},
          "Lock somebody out or let them in again, give another role, phone or other queues. What "
          "they have open ends; a conversation goes on.", role="admin"),
    _send("reset_password", "POST", "/users/{id}/password", None, {200: s.NewPassword},
          "Make a new password, shown this once, and sign the user out everywhere.",
          role="admin"),
    _send("reset_phone_password", "POST", "/users/{id}/phone-password", None,
          {200: s.NewPassword},
          "Make a new password for the phone, shown this once; the old one is good no more.",
          role="admin"),
    # calls
    _get("calls", "/calls", s.Page[s.Call], "Calls, newest first.", query=s.CallQuery),
    _get("call", "/calls/{id}", s.CallDetail,
         "A call with its journal, recordings and transcript."),
    _get("recording_audio", "/recordings/{id}/audio", bytes,
         "The sound of a recording (FLAC). Ranges are served."),
    # what agents do with their calls
    _send("make_call", "POST", "/calls", o.CallRequest, {201: o.StartedCall},
          "Call a number: the own phone rings first, then the number is called."),
    _send("hang_up", "POST", "/calls/{id}/hang-up", None, {204: None},
          "Leave the conversation; the caller goes back to the flow, wrap-up begins."),
    _send("hold", "POST", "/calls/{id}/hold", None, {204: None},
          "Let the caller hear music. Done twice, it is done once."),
    _send("resume", "POST", "/calls/{id}/resume", None, {204: None}, "Take the caller back."),
    _send("send_keys", "POST", "/calls/{id}/keys", o.KeysRequest, {204: None},
          "Send keys (RFC 4733) to whom the agent talks with."),
    _send("transfer", "POST", "/calls/{id}/transfer", o.TransferRequest, {204: None},
          "Give the caller away at once (blind transfer)."),
    _send("consult", "POST", "/calls/{id}/consult", o.ConsultRequest, {204: None},
          "Let the caller wait and ring a third party."),
    _send("consult_swap", "POST", "/calls/{id}/consult/swap", None, {204: None},
          "Talk to the other one of the two."),
    _send("consult_complete", "POST", "/calls/{id}/consult/complete", None, {204: None},
          "Connect caller and third party, and leave (attended transfer)."),
    _send("consult_conference", "POST", "/calls/{id}/consult/conference", None, {204: None},
          "Let all three hear each other."),
    _send("consult_cancel", "POST", "/calls/{id}/consult/cancel", None, {204: None},
          "Let the third party go, back to the caller."),
    _send("park", "POST", "/calls/{id}/park", None, {200: o.ParkingSlot},
          "Let the caller wait in a parking slot."),
    _get("parked", "/parked", s.Page[o.ParkedCall], "Who is parked."),
    _send("pick_up", "POST", "/parked/{id}/pick-up", None, {204: None},
          "Ring the own phone and connect the parked caller."),
    _send("pause_recording", "POST", "/calls/{id}/recording/pause", None, {204: None},
          "Record silence from now on, for card data."),
    _send("resume_recording", "POST", "/calls/{id}/recording/resume", None, {204: None},
          "Record what is said again."),
    _send("read_along", "PUT", "/calls/{id}/live-transcript", None, {204: None},
          "Read in the live feed what is said in somebody's call, as it is said; for supervisors, "
          "and in the audit log."),
    _send("read_no_more", "DELETE", "/calls/{id}/live-transcript", None, {204: None},
          "Read it no more."),
    _get("recording_peaks", "/recordings/{id}/peaks", s.Peaks,
         "The levels of a recording, for its waveform; for those who may hear it."),
    # customers
    _get("customers", "/customers", s.Page[s.Customer], "Customers by identity or by search.",
         query=s.CustomerQuery),
    _send("make_customer", "POST", "/customers", s.NewCustomer, {201: s.Customer},
          "Make a customer.", max_body=NOTES),
    _get("customer", "/customers/{id}", s.Customer, "A customer."),
    _send("change_customer", "PATCH", "/customers/{id}", s.CustomerPatch, {200: s.Customer},
          "Change a customer.", max_body=NOTES),
    _send("erase_customer", "DELETE", "/customers/{id}", None, {200: s.Erased},
          "Erase a person: name, numbers, words, recordings. It cannot be undone. The entries stay "
          "as facts of which nobody can tell whose they were.", role="admin"),
    _get("customer_timeline", "/customers/{id}/timeline", s.Page[s.Interaction],
         "What was said with this customer on every channel, newest first.",
         query=s.TimelineQuery),
    _get("customer_context", "/customers/{id}/context", s.CustomerContext,
         "What the screen-pop shows: open case first, then the last messages and calls."),
    _send("merge_customer", "POST", "/customers/{id}/merge", s.MergeRequest, {201: s.Merge},
          "Merge a customer into another one: all that it has goes there."),
    _get("customer_merges", "/customers/{id}/merges", s.Page[s.Merge],
         "The merges into a customer, newest first."),
    _send("undo_merge", "POST", "/merges/{id}/undo", None, {200: s.Merge},
          "Take a merge back. What came after it stays where it is."),
    _get("search", "/search", s.Page[s.SearchHit],
         "Entries in whose texts or transcripts all words of `q` are found, newest first.",
         query=s.SearchQuery),
    # interactions, cases, tasks
    _send("make_interaction", "POST", "/interactions", s.NewInteraction,
          {201: s.Interaction, 200: s.Interaction},
          "Add a message or note. Repeatable with `external_id`: 201 first, then 200.",
          max_body=LETTERS),
    _get("interaction", "/interactions/{id}", s.Interaction, "An entry of a timeline."),
    _send("change_interaction", "PATCH", "/interactions/{id}", s.InteractionPatch,
          {200: s.Interaction}, "Add notes, a disposition, the case.", max_body=NOTES),
    _send("assign_customer", "POST", "/interactions/{id}/customer", s.AssignCustomer,
          {200: s.Interaction}, "Say which customer it was with."),
    _get("cases", "/cases", s.Page[s.Case], "Cases, the one that moved last first.",
         query=s.CaseQuery),
    _send("open_case", "POST", "/cases", s.NewCase, {201: s.Case}, "Open a case."),
    _send("change_case", "PATCH", "/cases/{id}", s.CasePatch, {200: s.Case}, "Change a case."),
    _get("tasks", "/tasks", s.Page[s.Task], "Tasks, oldest first.", query=s.TaskQuery),
    _send("make_task", "POST", "/tasks", s.NewTask, {201: s.Task}, "Call back at a time."),
    _send("change_task", "PATCH", "/tasks/{id}", s.TaskPatch, {200: s.Task},
          "Mark a task as done, or open it again; take it, or give it back."),
    _get("my_day", "/me/day", s.MyDay, "What I have done today, and what is due.",
         query=s.DayQuery),
    # writing to customers
    _get("tags", "/tags", s.Page[s.Tag], "The tags in use, the most used first.",
         query=s.TagQuery),
    _get("templates", "/templates", s.Page[s.Template], "The texts that are written often."),
    _send("put_template", "PUT", "/templates/{id}", s.TemplateBody, {200: s.Template},
          "Keep a template.", role="admin", max_body=LETTERS),
    _send("remove_template", "DELETE", "/templates/{id}", None, {204: None},
          "Forget a template.", role="admin"),
    _get("draft", "/templates/{id}/draft", s.Draft, "A template filled for a customer.",
         query=s.DraftQuery),
    _send("write_message", "POST", "/messages", s.NewMessage, {201: s.Interaction},
          "Write to a customer. It is sent at once if there is a mail server or gateway for it.",
          max_body=LETTERS),
    _get("outbox", "/messages", s.Page[s.Message], "What was written and not sent, oldest first.",
         role="supervisor", query=s.OutboxQuery),
    _send("retry_message", "POST", "/messages/{id}/retry", None, {200: s.Message},
          "Try a message again at once that has failed or waits."),
    # agents and queues
    _get("agents", "/agents", s.Page[s.Agent], "The agents as of now."),
    _send("set_status", "POST", "/agents/{id}/status", s.StatusRequest, {200: s.Agent},
          "Choose a status. Agents their own, supervisors anybody's."),
    _send("finish_wrap_up", "POST", "/agents/{id}/wrap-up/finish", None, {204: None},
          "End wrap-up now."),
    _send("extend_wrap_up", "POST", "/agents/{id}/wrap-up/extend", s.WrapUpRequest, {204: None},
          "Take more time for wrap-up."),
    _get("queues", "/queues", s.Page[s.Queue], "The queues as of now."),
    # the phone in the page
    _send("take_phone", "POST", "/me/phone", s.PhoneRequest, {200: s.PagePhone},
          "Let this page be my phone: what it registers with, for an hour."),
    _send("give_up_phone", "DELETE", "/me/phone", None, {204: None},
          "No page is my phone any more."),
    _send("leave_phone", "POST", "/me/phone/leave", None, {204: None},
          "This page is being closed, or loaded anew."),
    _send("return_phone", "POST", "/me/phone/return", None, {204: None},
          "Ring this page for the call that it had."),
    # flows
    _get("flows", "/flows", s.Page[s.Flow], "The newest and the published version of each flow."),
    _get("flow", "/flows/{id}", s.FlowDetail, "The newest version of a flow.", role="supervisor"),
    _get("flow_versions", "/flows/{id}/versions", s.Page[s.Flow], "All versions, newest first.",
         role="supervisor"),
    _get("flow_version", "/flows/{id}/versions/{version}", s.FlowDetail, "One version of a flow.",
         role="supervisor"),
    _send("save_flow", "PUT", "/flows/{id}", s.NewFlowVersion,
          {201: s.FlowDetail, 422: s.FlowProblems},
          "Save the next version. A bad document is refused with what is wrong with it.",
          role="admin", max_body=LETTERS),
    _send("publish_flow", "POST", "/flows/{id}/publish", s.PublishRequest, {200: s.FlowDetail},
          "Let a version answer calls.", role="admin"),
    # the edge
    _get("bans", "/edge/bans", s.Page[s.Ban], "The addresses that are ignored, the latest first.",
         role="admin"),
    _send("lift_ban", "DELETE", "/edge/bans/{id}", None, {204: None},
          "Listen to an address again.", role="admin"),
    _get("trunks", "/trunks", s.Page[s.Trunk],
         "How the lines to the telephone network are.", role="supervisor"),
    # audit
    _get("audit", "/audit", s.Page[s.AuditEntry],
         "The audit log: who did what, newest first.", role="admin", query=s.AuditQuery),
)  # fmt: skip
