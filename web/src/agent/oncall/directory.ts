import type { Agent, Target } from "../../shared/api";
import type { LiveQueue } from "../../shared/live";

/** One place where a call can be sent. */
export type Place =
  | { readonly kind: "number"; readonly number: string }
  | { readonly kind: "agent"; readonly agent: Agent }
  | { readonly kind: "queue"; readonly queue: LiveQueue }
  | { readonly kind: "voicemail"; readonly queue: LiveQueue }
  | { readonly kind: "flow"; readonly flowId: string };

export interface Directory {
  readonly agents: readonly Agent[];
  readonly queues: readonly LiveQueue[];
  readonly flows: readonly string[];
  /** The one who looks: nobody sends a call to themselves. */
  readonly own: string;
}

const NUMBER = /^\+?[\d\s().\-/]+$/;

/** The number that was typed, without its punctuation; null when it is something else. */
export function typedNumber(text: string): string | null {
  const number = text.trim().replace(/[\s().\-/]/g, "");
  return NUMBER.test(text.trim()) && /^\+?\d{2,}$/.test(number) ? number : null;
}

/**
 * The places that match what was typed: a number first, then those free to answer before the
 * others, and names that begin so before those that only contain it. `consult`: only whom one can
 * talk to.
 */
export function placesFor(directory: Directory, typed: string, consult: boolean): Place[] {
  const wanted = plain(typed.trim());
  const number = typedNumber(typed);
  const all: Place[] = [
    ...directory.agents
      .filter((agent) => agent.agent_id !== directory.own)
      .map((agent): Place => ({ kind: "agent", agent })),
    ...directory.queues.map((queue): Place => ({ kind: "queue", queue })),
    ...(consult ? [] : directory.queues.map((queue): Place => ({ kind: "voicemail", queue }))),
    ...(consult ? [] : directory.flows.map((flowId): Place => ({ kind: "flow", flowId }))),
  ];
  const found = all
    .filter((place) => words(place).some((word) => word.includes(wanted)))
    .map((place, order) => ({ place, order, rank: rank(place, wanted) }))
    .sort((one, other) => one.rank - other.rank || one.order - other.order)
    .map(({ place }) => place);
  // An extension is a colleague: the number itself would ring the same phone.
  const known = found.some((one) => one.kind === "agent" && one.agent.extension === number);
  return number === null || known ? found : [{ kind: "number", number }, ...found];
}

/** What the server is told. */
export function targetOf(place: Place): Target {
  switch (place.kind) {
    case "number":
      return { kind: "number", number: place.number };
    case "agent":
      return { kind: "agent", agent_id: place.agent.agent_id };
    case "queue":
    case "voicemail":
      return { kind: place.kind, queue_id: place.queue.queue_id };
    case "flow":
      return { kind: "flow", flow_id: place.flowId };
  }
}

/** Names one place among all. */
export function keyOf(place: Place): string {
  return Object.values(targetOf(place)).join(" ");
}

/** Whether an agent can be rung now. */
export function isFree(agent: Agent): boolean {
  return agent.registered && agent.status === "available" && agent.state === "idle";
}

function rank(place: Place, wanted: string): number {
  const begins = words(place).some((word) => word.startsWith(wanted)) ? 0 : 1;
  switch (place.kind) {
    case "agent":
      return begins * 10 + (isFree(place.agent) ? 0 : 2);
    case "queue":
      return begins * 10 + 1;
    default:
      return begins * 10 + 3;
  }
}

function words(place: Place): string[] {
  switch (place.kind) {
    case "number":
      return [place.number];
    case "agent":
      return [plain(place.agent.name), place.agent.extension];
    case "queue":
    case "voicemail":
      return [plain(place.queue.title)];
    case "flow":
      return [plain(place.flowId)];
  }
}

/** Without accents and capitals, which nobody types into a search. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
