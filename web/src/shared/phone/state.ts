import { assertNever } from "../assert";

/** Which phone the agent uses: this page, another one, or nothing chosen yet. */
export type Choice = "page" | "own" | "open";

/** Why this page cannot be a phone. */
export type Refusal = "needs_https" | "no_microphone" | "unavailable";

/** How the page stands with the server. */
export type Link =
  | { readonly kind: "off" }
  | { readonly kind: "connecting" }
  | { readonly kind: "registered" }
  | { readonly kind: "lost" }
  | { readonly kind: "elsewhere" }
  | { readonly kind: "refused"; readonly why: Refusal };

/** What the agent has at the ear. `session` numbers the SIP dialogs of this page. */
export type Talk =
  | { readonly kind: "none" }
  | { readonly kind: "ringing"; readonly session: number; readonly callId: string; readonly caller: string }
  | { readonly kind: "answering"; readonly session: number; readonly callId: string; readonly caller: string }
  | {
      readonly kind: "talking";
      readonly session: number;
      readonly callId: string;
      readonly caller: string;
      readonly muted: boolean;
      readonly held: boolean;
      /** Whether audio comes and goes; false while the network is away. */
      readonly flows: boolean;
    };

/** The phone of a browser, the same in all of its tabs. */
export interface PhoneState {
  readonly choice: Choice;
  readonly link: Link;
  readonly talk: Talk;
}

export type PhoneEvent =
  | { readonly type: "chosen"; readonly choice: Choice }
  | { readonly type: "connecting" }
  | { readonly type: "registered" }
  | { readonly type: "disconnected" }
  | { readonly type: "elsewhere" }
  | { readonly type: "refused"; readonly why: Refusal }
  | { readonly type: "rings"; readonly session: number; readonly callId: string; readonly caller: string }
  | { readonly type: "answering"; readonly session: number }
  | { readonly type: "talks"; readonly session: number; readonly callId: string; readonly caller: string }
  | { readonly type: "flows"; readonly session: number; readonly flows: boolean }
  | { readonly type: "muted"; readonly muted: boolean }
  | { readonly type: "held"; readonly held: boolean }
  | { readonly type: "over"; readonly session: number };

export const SILENT: PhoneState = { choice: "open", link: { kind: "off" }, talk: { kind: "none" } };

/** The state after an event. What comes too late, or from a dialog that is no longer ours, is nothing. */
export function step(state: PhoneState, event: PhoneEvent): PhoneState {
  const { talk } = state;
  switch (event.type) {
    case "chosen":
      return event.choice === "page"
        ? { ...state, choice: "page" }
        : { choice: event.choice, link: { kind: "off" }, talk: { kind: "none" } };
    case "connecting":
      return state.link.kind === "lost" ? state : { ...state, link: { kind: "connecting" } };
    case "registered":
      return { ...state, link: { kind: "registered" } };
    case "disconnected":
      // What was said of us is known already; a broken connection explains nothing better.
      return state.link.kind === "registered" ? { ...state, link: { kind: "lost" } } : state;
    case "elsewhere":
      return { ...state, link: { kind: "elsewhere" }, talk: { kind: "none" } };
    case "refused":
      return { ...state, link: { kind: "refused", why: event.why } };
    case "rings":
      return talk.kind === "none" ? { ...state, talk: { kind: "ringing", ...numbered(event) } } : state;
    case "answering":
      return talk.kind === "ringing" && talk.session === event.session
        ? { ...state, talk: { ...talk, kind: "answering" } }
        : state;
    case "talks": {
      // A call that comes back to this page is as it was before.
      const before = talk.kind === "talking" && talk.callId === event.callId ? talk : null;
      return {
        ...state,
        talk: {
          kind: "talking",
          ...numbered(event),
          muted: before?.muted ?? false,
          held: false,
          flows: true,
        },
      };
    }
    case "flows":
      return talk.kind === "talking" && talk.session === event.session
        ? { ...state, talk: { ...talk, flows: event.flows } }
        : state;
    case "muted":
      return talk.kind === "talking" ? { ...state, talk: { ...talk, muted: event.muted } } : state;
    case "held":
      return talk.kind === "talking" ? { ...state, talk: { ...talk, held: event.held } } : state;
    case "over":
      return talk.kind !== "none" && talk.session === event.session
        ? { ...state, talk: { kind: "none" } }
        : state;
    default:
      return assertNever(event);
  }
}

function numbered(event: { session: number; callId: string; caller: string }) {
  return { session: event.session, callId: event.callId, caller: event.caller };
}
