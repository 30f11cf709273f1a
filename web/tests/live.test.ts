import { expect, test } from "vitest";
import type { Agent, LiveMessage, Offer, WrapUp } from "../src/shared/api";
import { backoff } from "../src/shared/live/connection";
import { apply, contactOf, conversationOf, EMPTY } from "../src/shared/live/state";
import type { LiveCall, LiveConversation, LiveParked, LiveState } from "../src/shared/live/state";

const NOON = "2026-01-05T12:00:00Z";

const snapshot: LiveMessage = {
  type: "snapshot",
  seq: 0,
  agents: [],
  queues: [],
  calls: [],
  offers: [],
  accepted: [],
  conversations: [],
  parked: [],
  transcripts: [],
  wrap_ups: [],
  tasks: [],
};

function offer(seq: number, agentId = "ana", id = "offer_1"): Offer {
  return {
    type: "offer",
    seq,
    offer_id: id,
    call_id: "call_1",
    agent_id: agentId,
    queue_id: "sales",
    queue_title: "Sales",
    ringing_since: NOON,
    caller: "+34600111222",
    interaction_id: "int_1",
    customer: null,
    choices: [],
    learned: {},
    path: [],
    transferred_from: null,
    transferred_from_name: "",
    consultation: false,
    notes: "",
  };
}

function call(seq: number, agentId: string | null, state: LiveCall["state"] = "bridged"): LiveCall {
  return {
    type: "call",
    seq,
    call_id: "call_1",
    state,
    caller: "+34600111222",
    customer_id: null,
    customer_name: "",
    queue_id: "sales",
    agent_id: agentId,
    since: NOON,
    talking_since: null,
  };
}

function wrapUp(seq: number): WrapUp {
  return {
    type: "wrap_up",
    seq,
    agent_id: "ana",
    call_id: "call_1",
    interaction_id: "int_1",
    until: NOON,
    dispositions: [],
  };
}

function agent(seq: number, name = "Ana", state: Agent["state"] = "idle"): Agent {
  return {
    type: "agent",
    seq,
    agent_id: "ana",
    name,
    extension: "101",
    status: "available",
    reason: "",
    state,
    since: NOON,
    registered: true,
    call_id: null,
  };
}

function after(...messages: LiveMessage[]): LiveState {
  return messages.reduce<LiveState>((state, message) => {
    const next = apply(state, message);
    if (next === null) throw new Error(`a gap before ${message.type}`);
    return next;
  }, EMPTY);
}

test("an offer is the offered agent's contact and nobody else's", () => {
  const state = after(snapshot, offer(1));
  expect(contactOf(state, "ana")?.stage).toBe("offered");
  expect(contactOf(state, "leo")).toBeNull();
});

test("a contact goes from the pop to the talk to the wrap-up and keeps what the pop knew", () => {
  const accepted: LiveMessage = {
    type: "offer_gone",
    seq: 2,
    offer_id: "offer_1",
    agent_id: "ana",
    how: "accepted",
  };
  const talking = after(snapshot, offer(1), accepted, call(3, "ana"));
  expect(contactOf(talking, "ana")).toMatchObject({ stage: "in_call", offer: { interaction_id: "int_1" } });
  const gone: LiveMessage = { type: "call_gone", seq: 4, call_id: "call_1" };
  const wrapping = after(snapshot, offer(1), accepted, call(3, "ana"), gone, wrapUp(5));
  expect(contactOf(wrapping, "ana")).toMatchObject({ stage: "wrap_up", offer: { interaction_id: "int_1" } });
  const ended: LiveMessage = { type: "wrap_up_gone", seq: 6, agent_id: "ana", call_id: "call_1" };
  expect(contactOf(apply(wrapping, ended) ?? EMPTY, "ana")).toBeNull();
});

test("an offer that is not answered leaves word of it, until the next one", () => {
  const gone: LiveMessage = {
    type: "offer_gone",
    seq: 2,
    offer_id: "offer_1",
    agent_id: "ana",
    how: "no_answer",
  };
  const state = after(snapshot, offer(1), gone);
  expect(contactOf(state, "ana")).toBeNull();
  expect(state.missed?.how).toBe("no_answer");
  expect(apply(state, offer(3, "ana", "offer_2"))?.missed).toBeNull();
});

test("an agent who left a call that goes on has it in hand no more", () => {
  const talking = after(snapshot, agent(1, "Ana", "in_call"), call(2, "ana"));
  const wrapping = apply(talking, wrapUp(3)) ?? EMPTY;
  expect(contactOf(wrapping, "ana")?.stage).toBe("wrap_up");
  const ended: LiveMessage = { type: "wrap_up_gone", seq: 4, agent_id: "ana", call_id: "call_1" };
  const free = apply(apply(wrapping, ended) ?? EMPTY, agent(5, "Ana", "idle")) ?? EMPTY;
  expect(contactOf(free, "ana")).toBeNull();
});

test("nothing flickers between the answer and the talk", () => {
  const accepted: LiveMessage = {
    type: "offer_gone",
    seq: 3,
    offer_id: "offer_1",
    agent_id: "ana",
    how: "accepted",
  };
  const state = after(snapshot, call(1, "ana", "offered"), offer(2), accepted);
  expect(contactOf(state, "ana")?.stage).toBe("in_call");
});

test("a call that still waits is not in anybody's hands", () => {
  expect(contactOf(after(snapshot, call(1, "ana", "offered")), "ana")).toBeNull();
});

test("a missing message is noticed", () => {
  expect(apply(after(snapshot), agent(2))).toBeNull();
  expect(apply(EMPTY, agent(1))).toBeNull();
});

test("a new snapshot replaces what was known before it", () => {
  const before = after(snapshot, agent(1, "Ana"), call(2, "ana"));
  const state = apply(before, { ...snapshot, agents: [agent(0, "Ana María")] });
  expect(state?.agents.ana?.name).toBe("Ana María");
  expect(state?.calls).toEqual({});
});

test("an offer accepted while we were away still tells its talk who is calling", () => {
  const before = after(snapshot, offer(1));
  const state = apply(before, { ...snapshot, calls: [call(0, "ana")] });
  expect(contactOf(state ?? EMPTY, "ana")).toMatchObject({ stage: "in_call", offer: { offer_id: "offer_1" } });
});

function conversation(seq: number, state: LiveConversation["state"] = "talking"): LiveConversation {
  return {
    type: "conversation",
    seq,
    call_id: "call_1",
    agent_id: "ana",
    state,
    direction: "in",
    with_: "caller",
    third: null,
    recording: "on",
    since: NOON,
    unheard: [],
  };
}

const parked: LiveParked = {
  type: "parked",
  seq: 1,
  slot: "701",
  call_id: "call_1",
  caller: "+34600111222",
  customer_id: null,
  customer_name: "",
  since: NOON,
  by: "ana",
};

test("a page that is opened in mid-call finds the conversation and who is parked", () => {
  const state = after({ ...snapshot, conversations: [conversation(0, "held")], parked: [parked] });
  expect(conversationOf(state, "ana")?.state).toBe("held");
  expect(conversationOf(state, "leo")).toBeNull();
  expect(Object.keys(state.parked)).toEqual(["701"]);
  const empty = apply(state, { type: "parked_gone", seq: 1, slot: "701", call_id: "call_1" });
  expect(empty?.parked).toEqual({});
});

test("a call that one makes is in hand while the phone still rings, and tells why it reached nobody", () => {
  const dialling = after(snapshot, call(1, "ana", "dialling"), conversation(2, "dialling"));
  expect(contactOf(dialling, "ana")).toMatchObject({ stage: "in_call", consulted: false });
  const gone: LiveMessage = {
    type: "conversation_gone",
    seq: 3,
    call_id: "call_1",
    agent_id: "ana",
    outcome: "busy",
  };
  const ended = apply(dialling, gone) ?? EMPTY;
  expect(conversationOf(ended, "ana")).toBeNull();
  expect(ended.unreached.ana?.outcome).toBe("busy");
  expect(apply(ended, conversation(4, "dialling"))?.unreached).toEqual({});
});

test("who is consulted and does not answer is told with the reason", () => {
  const alone = after(snapshot, conversation(1, "held"), {
    type: "third_not_reached",
    seq: 2,
    call_id: "call_1",
    agent_id: "ana",
    outcome: "no_such_number",
  });
  expect(conversationOf(alone, "ana")?.state).toBe("held");
  expect(alone.unreached.ana?.outcome).toBe("no_such_number");
});

test("a colleague who is consulted has the call in hand, and it stays the other one's", () => {
  const asked = { ...offer(1), consultation: true, transferred_from: "leo" };
  const accepted: LiveMessage = {
    type: "offer_gone",
    seq: 2,
    offer_id: "offer_1",
    agent_id: "ana",
    how: "accepted",
  };
  const talks = { ...agent(3, "Ana", "in_call"), call_id: "call_1" };
  const state = after(snapshot, asked, accepted, talks);
  expect(contactOf(state, "ana")).toMatchObject({ stage: "in_call", consulted: true });
  expect(contactOf(apply(state, agent(4)) ?? EMPTY, "ana")).toBeNull();
  const theirs = apply(apply(state, call(4, "ana")) ?? EMPTY, conversation(5)) ?? EMPTY;
  expect(contactOf(theirs, "ana")).toMatchObject({ stage: "in_call", consulted: false });
});

test("a page that is opened in mid-consultation has it, and one in a handed-over call knows from whom", () => {
  const asked = { ...offer(1), consultation: true, transferred_from: "leo" };
  const talks = { ...agent(0, "Ana", "in_call"), call_id: "call_1" };
  const opened = after({ ...snapshot, accepted: [asked], agents: [talks] });
  expect(contactOf(opened, "ana")).toMatchObject({
    stage: "in_call",
    consulted: true,
    offer: { transferred_from: "leo" },
  });
  expect(contactOf(opened, "leo")).toBeNull();
  const theirs = { ...snapshot, accepted: [asked], agents: [talks], calls: [call(0, "ana")] };
  expect(contactOf(after({ ...theirs, conversations: [conversation(0)] }), "ana")).toMatchObject({
    consulted: false,
    offer: { transferred_from: "leo" },
  });
});

test("attempts to connect come ever more slowly, but never later than in a quarter of a minute", () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 20].map((attempt) => backoff(attempt, 1));
  expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  expect(backoff(3, 0)).toBe(1000);
});

test("a message that has gone is what the histories hear of, and nothing else changes", () => {
  const before = apply(EMPTY, snapshot);
  if (before === null) throw new Error("the snapshot was not taken");
  const moved: LiveMessage = {
    type: "message",
    seq: 1,
    message_id: "msg_1",
    interaction_id: "int_1",
    customer_id: "cus_1",
    status: "sent",
  };
  const after = apply(before, moved);
  expect(after).toEqual({ ...before, seq: 1, moved });
});
