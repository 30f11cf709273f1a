import { expect, test } from "vitest";
import { keyOf, placesFor, targetOf, typedNumber } from "../src/agent/oncall/directory";
import type { Directory } from "../src/agent/oncall/directory";
import { silence, situation, thirdName } from "../src/agent/oncall/words";
import type { Agent } from "../src/shared/api";
import { es } from "../src/shared/i18n/es";
import type { LiveConversation, LiveQueue } from "../src/shared/live";

const NOON = "2026-01-05T12:00:00Z";

function agent(id: string, name: string, extension: string, change: Partial<Agent> = {}): Agent {
  return {
    type: "agent",
    seq: 0,
    agent_id: id,
    name,
    extension,
    status: "available",
    reason: "",
    state: "idle",
    since: NOON,
    registered: true,
    call_id: null,
    ...change,
  };
}

const sales: LiveQueue = {
  type: "queue",
  seq: 0,
  queue_id: "sales",
  title: "Ventas",
  waiting: 0,
  longest_wait_since: null,
  agents_available: 1,
};

const directory: Directory = {
  agents: [
    agent("ana", "Ana", "201"),
    agent("luis", "Luis Vega", "202", { state: "in_call" }),
    agent("ines", "Inés Velázquez", "203"),
  ],
  queues: [sales],
  flows: ["bienvenida"],
  own: "ana",
};

const names = (typed: string, consult = false) => placesFor(directory, typed, consult).map(keyOf);

test("nothing typed shows everybody but oneself, who is free first", () => {
  expect(names("")).toEqual([
    "agent ines", "queue sales", "agent luis", "voicemail sales", "flow bienvenida",
  ]);
});

test("accents and capitals need not be typed, nor the beginning of a name", () => {
  expect(names("INES")).toEqual(["agent ines"]);
  expect(names("vel")).toEqual(["agent ines"]);
  expect(names("ven")).toEqual(["queue sales", "voicemail sales", "flow bienvenida"]);
});

test("one cannot talk with a voicemail or a menu first", () => {
  expect(names("ven", true)).toEqual(["queue sales"]);
});

test("a number comes first, and an extension is a colleague", () => {
  expect(names("+34 911 23 45 67")).toEqual(["number +34911234567"]);
  expect(names("202")).toEqual(["agent luis"]);
  expect(typedNumber("(91) 123-45.67")).toBe("911234567");
  expect(typedNumber("Luis 2")).toBeNull();
  expect(typedNumber("+")).toBeNull();
});

test("a place becomes what the server is told", () => {
  const [first] = placesFor(directory, "buz", false);
  expect(first).toBeUndefined();
  expect(targetOf({ kind: "voicemail", queue: sales })).toEqual({ kind: "voicemail", queue_id: "sales" });
  expect(targetOf({ kind: "flow", flowId: "noche" })).toEqual({ kind: "flow", flow_id: "noche" });
});

function conversation(change: Partial<LiveConversation>): LiveConversation {
  return {
    type: "conversation",
    seq: 1,
    call_id: "call_1",
    agent_id: "ana",
    state: "talking",
    direction: "in",
    with_: "caller",
    third: null,
    recording: "on",
    since: NOON,
    unheard: [],
    ...change,
  };
}

test("each situation has a sentence of its own", () => {
  const third = {
    kind: "agent", label: "Luis Vega", number: "202", agent_id: "luis", state: "ringing", since: NOON,
  } as const;
  const all = [
    conversation({}),
    conversation({ state: "held" }),
    conversation({ state: "dialling", direction: "out" }),
    conversation({ state: "consulting", with_: "third", third }),
    conversation({ state: "consulting", with_: "third", third: { ...third, state: "talking" } }),
    conversation({ state: "consulting", with_: "caller", third: { ...third, state: "held" } }),
    conversation({ state: "conference", third: { ...third, state: "talking" } }),
  ];
  const sentences = all.map((one) => es[situation(one).key]);
  expect(new Set(sentences).size).toBe(all.length);
  const named = all.filter((one) => one.third !== null);
  expect(named.every((one) => es[situation(one).key].includes("{third}"))).toBe(true);
});

test("who is not heard any more is told, the agent's own phone first", () => {
  expect(silence(conversation({}))).toBeNull();
  const told = (["agent", "caller", "third"] as const).map((one) =>
    silence(conversation({ unheard: [one] })),
  );
  expect(new Set(told).size).toBe(3);
  expect(silence(conversation({ unheard: ["caller", "agent"] }))).toBe("oncall.unheard.agent");
});

test("a third party goes by the name, else by the number", () => {
  const third = {
    kind: "number", label: "", number: "+34911234567", agent_id: null, state: "talking", since: NOON,
  } as const;
  const t = (key: keyof typeof es) => es[key];
  expect(thirdName(conversation({ third }), t)).toBe("+34 911 234 567");
  expect(thirdName(conversation({ third: { ...third, label: "Luis" } }), t)).toBe("Luis");
  expect(thirdName(conversation({ third: { ...third, number: "" } }), t)).toBe("otra persona");
});
