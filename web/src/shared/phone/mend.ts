import { assertNever } from "../assert";

/**
 * How far the mending of a call has come whose network has changed.
 *
 * - `well`: nothing is to be mended, as far as one hears.
 * - `unconnected`: first the connection to the server must be back.
 * - `asking`: the server has been asked to find another way for the audio (ICE restart).
 * - `asking_anew`: the same by a new connection, on which it has no excuse not to answer.
 * - `settling`: it has agreed; the voice is to come.
 * - `rung`: that did not help; the server has been asked to ring this page for its call.
 */
export type Mend = "well" | "unconnected" | "asking" | "asking_anew" | "settling" | "rung";

export type MendEvent =
  /** No voice comes any more. */
  | { readonly type: "quiet"; readonly connected: boolean }
  | { readonly type: "heard" }
  | { readonly type: "disconnected" }
  /** The page is registered by a new connection. */
  | { readonly type: "connected" }
  /** The server's answer to the ICE restart. */
  | { readonly type: "agreed"; readonly flows: boolean }
  | { readonly type: "refused" }
  /** What was to come has not come in `patience`. */
  | { readonly type: "late" }
  | { readonly type: "over" };

export interface MendStep {
  readonly mend: Mend;
  readonly todo: "nothing" | "restart" | "reconnect" | "ring";
}

/** How long to wait in each state until it is `late`, in milliseconds; null: as long as it takes. */
export function patience(mend: Mend): number | null {
  switch (mend) {
    case "well":
    case "unconnected":
      return null;
    case "asking":
    case "asking_anew":
      // An answer takes a round trip: without one it is the connection that has gone, unnoticed.
      return 1500;
    case "settling":
      return 2000;
    case "rung":
      return 4000;
    default:
      return assertNever(mend);
  }
}

/** What to do about the network of a call, after an event. */
export function mendStep(mend: Mend, event: MendEvent): MendStep {
  switch (event.type) {
    case "quiet":
      if (mend !== "well") return { mend, todo: "nothing" };
      return event.connected
        ? { mend: "asking", todo: "restart" }
        : { mend: "unconnected", todo: "nothing" };
    case "heard":
      return { mend: mend === "settling" || mend === "rung" ? "well" : mend, todo: "nothing" };
    case "disconnected":
      return { mend: "unconnected", todo: "nothing" };
    case "connected":
      // Also when the voice never stopped: the server must learn where this page is now.
      return mend === "unconnected" ? { mend: "asking_anew", todo: "restart" } : { mend, todo: "nothing" };
    case "agreed":
      if (!asks(mend)) return { mend, todo: "nothing" };
      return { mend: event.flows ? "well" : "settling", todo: "nothing" };
    case "refused":
      return asks(mend) ? { mend: "rung", todo: "ring" } : { mend, todo: "nothing" };
    case "late":
      switch (mend) {
        case "asking":
          return { mend: "unconnected", todo: "reconnect" };
        case "asking_anew":
        case "settling":
          return { mend: "rung", todo: "ring" };
        case "rung":
          return { mend: "asking", todo: "restart" };
        default:
          return { mend, todo: "nothing" };
      }
    case "over":
      return { mend: "well", todo: "nothing" };
    default:
      return assertNever(event);
  }
}

function asks(mend: Mend): boolean {
  return mend === "asking" || mend === "asking_anew";
}
