import { expect, test } from "vitest";
import { SILENT, step } from "../src/shared/phone/state";
import type { PhoneEvent, PhoneState } from "../src/shared/phone/state";

const READY: PhoneState = { choice: "page", link: { kind: "registered" }, talk: { kind: "none" } };
const CALL = { callId: "call_1", caller: "+34600111222" };

function after(state: PhoneState, ...events: PhoneEvent[]): PhoneState {
  return events.reduce(step, state);
}

test("a call rings, is answered, and is over", () => {
  const rings = after(READY, { type: "rings", session: 1, ...CALL });
  expect(rings.talk).toEqual({ kind: "ringing", session: 1, ...CALL });
  const answering = after(rings, { type: "answering", session: 1 });
  expect(answering.talk.kind).toBe("answering");
  const talks = after(answering, { type: "talks", session: 1, ...CALL });
  expect(talks.talk).toEqual({
    kind: "talking",
    session: 1,
    ...CALL,
    muted: false,
    held: false,
    flows: true,
  });
  expect(after(talks, { type: "over", session: 1 })).toEqual(READY);
});

test("what is told of a dialog that is no longer ours changes nothing", () => {
  const talks = after(READY, { type: "talks", session: 2, ...CALL });
  expect(after(talks, { type: "over", session: 1 })).toBe(talks);
  expect(after(talks, { type: "flows", session: 1, flows: false })).toBe(talks);
  expect(after(talks, { type: "answering", session: 2 })).toBe(talks);
});

test("a call that comes back by another dialog is still muted, and no longer on hold", () => {
  const before = after(
    READY,
    { type: "talks", session: 1, ...CALL },
    { type: "muted", muted: true },
    { type: "held", held: true },
    { type: "flows", session: 1, flows: false },
  );
  expect(after(before, { type: "talks", session: 2, ...CALL }).talk).toMatchObject({
    session: 2,
    muted: true,
    held: false,
    flows: true,
  });
  const another = after(before, { type: "talks", session: 2, callId: "call_2", caller: "" });
  expect(another.talk).toMatchObject({ muted: false });
});

test("a second call does not ring over the first", () => {
  const talks = after(READY, { type: "talks", session: 1, ...CALL });
  expect(after(talks, { type: "rings", session: 2, callId: "call_2", caller: "" })).toBe(talks);
});

test("a connection that breaks is said to be lost until it is back", () => {
  const lost = after(READY, { type: "disconnected" });
  expect(lost.link).toEqual({ kind: "lost" });
  expect(after(lost, { type: "connecting" }).link).toEqual({ kind: "lost" });
  expect(after(lost, { type: "registered" }).link).toEqual({ kind: "registered" });
});

test("a page that another computer has taken over says so, whatever its connection does", () => {
  const elsewhere = after(
    READY,
    { type: "talks", session: 1, ...CALL },
    { type: "elsewhere" },
    { type: "disconnected" },
  );
  expect(elsewhere).toEqual({ choice: "page", link: { kind: "elsewhere" }, talk: { kind: "none" } });
});

test("who uses another phone has none in the page", () => {
  const ringing = after(READY, { type: "rings", session: 1, ...CALL });
  expect(after(ringing, { type: "chosen", choice: "own" })).toEqual({ ...SILENT, choice: "own" });
});
