import type { Agent, LiveMessage, Offer, Task, WrapUp } from "../api";
import { assertNever } from "../assert";
import { withSaying } from "./transcript";

type Of<Type extends LiveMessage["type"]> = Extract<LiveMessage, { type: Type }>;
export type LiveCall = Of<"call">;
export type LiveQueue = Of<"queue">;
export type LiveConversation = Of<"conversation">;
export type LiveParked = Of<"parked">;
export type LiveTranscript = Of<"live_transcript">;
export type OfferEnd = Of<"offer_gone">["how"];
type Table<T> = Readonly<Record<string, T>>;

/** The centre as this viewer may see it. A value: each message makes the next one. */
export interface LiveState {
  /** The number of the last message, -1 before the snapshot. */
  readonly seq: number;
  readonly agents: Table<Agent>;
  readonly queues: Table<LiveQueue>;
  readonly calls: Table<LiveCall>;
  /** By offer. */
  readonly offers: Table<Offer>;
  /** By agent: nobody has two. */
  readonly wrapUps: Table<WrapUp>;
  /** What agents do with calls, by call and agent. */
  readonly conversations: Table<LiveConversation>;
  /** Who waits in a parking slot, by slot. */
  readonly parked: Table<LiveParked>;
  /** What is being said, by call. */
  readonly transcripts: Table<LiveTranscript>;
  readonly tasks: Table<Task>;
  /** The last offer that each agent accepted: it holds what the pop knew, for the talk after it. */
  readonly accepted: Table<Offer>;
  /** Whom each agent called last, or wanted to consult, and why nobody was reached. */
  readonly unreached: Table<Of<"conversation_gone"> | Of<"third_not_reached">>;
  /** The last message to a customer that has gone, or has not. */
  readonly moved: Of<"message"> | null;
  /** The last offer that ended in another way than accepted. */
  readonly missed: { readonly offer: Offer; readonly how: OfferEnd } | null;
}

export const EMPTY: LiveState = {
  seq: -1,
  agents: {},
  queues: {},
  calls: {},
  offers: {},
  wrapUps: {},
  conversations: {},
  parked: {},
  transcripts: {},
  tasks: {},
  accepted: {},
  unreached: {},
  moved: null,
  missed: null,
};

/** The state after a message; null when messages are missing, so that one must connect again. */
export function apply(state: LiveState, message: LiveMessage): LiveState | null {
  if (message.type !== "snapshot" && (state.seq < 0 || message.seq !== state.seq + 1)) return null;
  const next = { ...state, seq: message.seq };
  switch (message.type) {
    case "snapshot":
      return {
        ...next,
        agents: table(message.agents, (agent) => agent.agent_id),
        queues: table(message.queues, (queue) => queue.queue_id),
        calls: table(message.calls, (call) => call.call_id),
        offers: table(message.offers, (offer) => offer.offer_id),
        wrapUps: table(message.wrap_ups, (wrapUp) => wrapUp.agent_id),
        conversations: table(message.conversations, talkKey),
        parked: table(message.parked, (parked) => parked.slot),
        transcripts: table(message.transcripts, (transcript) => transcript.call_id),
        tasks: table(
          message.tasks.map((one) => one.task),
          (task) => task.id,
        ),
        // The server knows what is in hand; a server that has taken calls over may know less of it.
        accepted: {
          ...state.accepted,
          ...table(Object.values(state.offers), (offer) => offer.agent_id),
          ...table(message.accepted, (offer) => offer.agent_id),
        },
      };
    case "agent":
      return { ...next, agents: put(next.agents, message.agent_id, message) };
    case "agent_gone":
      return { ...next, agents: without(next.agents, message.agent_id) };
    case "queue":
      return { ...next, queues: put(next.queues, message.queue_id, message) };
    case "call":
      return { ...next, calls: put(next.calls, message.call_id, message) };
    case "call_gone":
      return { ...next, calls: without(next.calls, message.call_id) };
    case "offer":
      return {
        ...next,
        offers: put(next.offers, message.offer_id, message),
        missed: state.missed?.offer.agent_id === message.agent_id ? null : state.missed,
      };
    case "offer_gone": {
      const offer = state.offers[message.offer_id];
      const offers = without(next.offers, message.offer_id);
      if (offer === undefined) return { ...next, offers };
      return message.how === "accepted"
        ? { ...next, offers, accepted: put(next.accepted, offer.agent_id, offer) }
        : { ...next, offers, missed: { offer, how: message.how } };
    }
    case "conversation":
      return {
        ...next,
        conversations: put(next.conversations, talkKey(message), message),
        unreached: without(next.unreached, message.agent_id),
      };
    case "conversation_gone":
      return {
        ...next,
        conversations: without(next.conversations, talkKey(message)),
        unreached:
          message.outcome === ""
            ? next.unreached
            : put(next.unreached, message.agent_id, message),
      };
    case "third_not_reached":
      return { ...next, unreached: put(next.unreached, message.agent_id, message) };
    case "parked":
      return { ...next, parked: put(next.parked, message.slot, message) };
    case "parked_gone":
      return { ...next, parked: without(next.parked, message.slot) };
    case "live_transcript":
      return { ...next, transcripts: put(next.transcripts, message.call_id, message) };
    case "live_said":
    case "live_hearing": {
      const known = next.transcripts[message.call_id];
      if (known?.agent_id !== message.agent_id) return next; // late: somebody else has the call
      const now =
        message.type === "live_said"
          ? withSaying(known, message.saying)
          : { ...known, hearing: message.hearing };
      return { ...next, transcripts: put(next.transcripts, message.call_id, now) };
    }
    case "live_transcript_gone": {
      if (next.transcripts[message.call_id]?.agent_id !== message.agent_id) return next;
      return { ...next, transcripts: without(next.transcripts, message.call_id) };
    }
    case "wrap_up":
      return { ...next, wrapUps: put(next.wrapUps, message.agent_id, message) };
    case "wrap_up_gone":
      return { ...next, wrapUps: without(next.wrapUps, message.agent_id) };
    case "task":
      return {
        ...next,
        tasks:
          message.task.state === "done"
            ? without(next.tasks, message.task.id)
            : put(next.tasks, message.task.id, message.task),
      };
    case "message":
      return { ...next, moved: message };
    default:
      return assertNever(message);
  }
}

/** What one agent has in hand. The phone that rings comes first, then the talk, then its wrap-up. */
export type Contact =
  | { readonly stage: "offered"; readonly callId: string; readonly offer: Offer }
  | {
      readonly stage: "in_call";
      readonly callId: string;
      readonly call: LiveCall;
      readonly offer: Offer | null;
      /** A colleague asks: the caller, and what is written of the call, are still theirs. */
      readonly consulted: boolean;
    }
  | {
      readonly stage: "wrap_up";
      readonly callId: string;
      readonly wrapUp: WrapUp;
      readonly offer: Offer | null;
    };

export function contactOf(state: LiveState, agentId: string): Contact | null {
  const offer = Object.values(state.offers).find((one) => one.agent_id === agentId);
  if (offer !== undefined) return { stage: "offered", callId: offer.call_id, offer };
  const call = Object.values(state.calls).find((one) => isTalk(state, one, agentId));
  const wrapUp = state.wrapUps[agentId];
  // The caller may stay in the line after the agent has left it: then both are there.
  if (call !== undefined && wrapUp?.call_id !== call.call_id) {
    const { call_id: callId } = call;
    const offer = acceptedOffer(state, agentId, callId);
    return { stage: "in_call", callId, call, offer, consulted: false };
  }
  const asked = consultationOf(state, agentId);
  if (asked !== null) {
    const { call_id: callId } = asked;
    return { stage: "in_call", callId, call: callOf(asked), offer: asked, consulted: true };
  }
  if (wrapUp === undefined) return null;
  const { call_id: callId } = wrapUp;
  return { stage: "wrap_up", callId, wrapUp, offer: acceptedOffer(state, agentId, callId) };
}

/** What an agent does with the call in hand; null when there is none, or it only begins. */
export function conversationOf(state: LiveState, agentId: string): LiveConversation | null {
  return Object.values(state.conversations).find((one) => one.agent_id === agentId) ?? null;
}

/** The offer by which a colleague consults this agent, while they talk. */
function consultationOf(state: LiveState, agentId: string): Offer | null {
  const offer = state.accepted[agentId];
  const agent = state.agents[agentId];
  const talks = agent?.state === "in_call" && agent.call_id === offer?.call_id;
  return offer?.consultation === true && talks ? offer : null;
}

/** The call of an offer, for the one who is not told of it otherwise. */
function callOf(offer: Offer): LiveCall {
  return {
    type: "call",
    seq: offer.seq,
    call_id: offer.call_id,
    state: "bridged",
    caller: offer.caller,
    customer_id: offer.customer?.customer.id ?? null,
    customer_name: offer.customer?.customer.name ?? "",
    queue_id: offer.queue_id,
    agent_id: offer.agent_id,
    since: offer.ringing_since,
    talking_since: null,
  };
}

/** Whether an agent talks in this call, or has just answered it and is being put through. */
function isTalk(state: LiveState, call: LiveCall, agentId: string): boolean {
  if (talkKey({ call_id: call.call_id, agent_id: agentId }) in state.conversations) return true;
  if (call.agent_id !== agentId || state.agents[agentId]?.state === "idle") return false;
  if (call.state === "offered") return acceptedOffer(state, agentId, call.call_id) !== null;
  return call.state === "bridged" || call.state === "held";
}

function acceptedOffer(state: LiveState, agentId: string, callId: string): Offer | null {
  const offer = state.accepted[agentId];
  return offer?.call_id === callId ? offer : null;
}

function talkKey(talk: { readonly call_id: string; readonly agent_id: string }): string {
  return `${talk.call_id} ${talk.agent_id}`;
}

function table<T>(items: readonly T[], key: (item: T) => string): Table<T> {
  return Object.fromEntries(items.map((item) => [key(item), item]));
}

function put<T>(kept: Table<T>, key: string, value: T): Table<T> {
  return { ...kept, [key]: value };
}

function without<T>(kept: Table<T>, key: string): Table<T> {
  return Object.fromEntries(Object.entries(kept).filter(([one]) => one !== key));
}
