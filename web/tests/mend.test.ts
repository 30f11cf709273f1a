import { expect, test } from "vitest";
import { mendStep, patience } from "../src/shared/phone/mend";
import type { Mend, MendEvent } from "../src/shared/phone/mend";

/** What is done after each of these events, and where it ends. */
function told(start: Mend, ...events: MendEvent[]): { mend: Mend; done: string[] } {
  let mend = start;
  const done: string[] = [];
  for (const event of events) {
    const step = mendStep(mend, event);
    mend = step.mend;
    if (step.todo !== "nothing") done.push(step.todo);
  }
  return { mend, done };
}

test("a voice that stops is looked for by another way, and all is well when it is heard", () => {
  expect(
    told("well", { type: "quiet", connected: true }, { type: "agreed", flows: false }, { type: "heard" }),
  ).toEqual({ mend: "well", done: ["restart"] });
});

test("without an answer the connection is left for a new one, and the server asked again", () => {
  expect(
    told(
      "well",
      { type: "quiet", connected: true },
      { type: "late" },
      { type: "disconnected" },
      { type: "connected" },
      { type: "agreed", flows: true },
    ),
  ).toEqual({ mend: "well", done: ["restart", "reconnect", "restart"] });
});

test("a page that has no connection waits for it", () => {
  expect(told("well", { type: "disconnected" }, { type: "quiet", connected: false })).toEqual({
    mend: "unconnected",
    done: [],
  });
  expect(patience("unconnected")).toBeNull();
});

test("a connection that comes back tells the server where the page is, though the voice flows", () => {
  expect(told("well", { type: "disconnected" }, { type: "connected" }).done).toEqual(["restart"]);
});

test("a page is rung when no other way was found, and the search goes on after that", () => {
  expect(told("asking", { type: "refused" })).toEqual({ mend: "rung", done: ["ring"] });
  expect(told("settling", { type: "late" }, { type: "late" })).toEqual({
    mend: "asking",
    done: ["ring", "restart"],
  });
});

test("who does not answer by a new connection, either, is not left for yet another one", () => {
  expect(told("unconnected", { type: "connected" }, { type: "late" })).toEqual({
    mend: "rung",
    done: ["restart", "ring"],
  });
});

test("what comes too late changes nothing", () => {
  expect(told("well", { type: "refused" }, { type: "late" }, { type: "connected" })).toEqual({
    mend: "well",
    done: [],
  });
  expect(told("rung", { type: "over" })).toEqual({ mend: "well", done: [] });
});
