import { expect, test } from "vitest";
import type { LiveMessage } from "../src/shared/api";
import { apply, EMPTY } from "../src/shared/live/state";
import type { LiveState, LiveTranscript } from "../src/shared/live/state";
import { lastHeard, MOST_SAYINGS } from "../src/shared/live/transcript";
import type { Saying } from "../src/shared/live/transcript";

function saying(number: number, text: string, change: Partial<Saying> = {}): Saying {
  return { number, speaker: "caller", at_s: number, text, final: true, ...change };
}

function transcript(change: Partial<LiveTranscript> = {}): LiveTranscript {
  return {
    type: "live_transcript",
    seq: 1,
    call_id: "call_1",
    agent_id: "ana",
    language: "es",
    hearing: "listening",
    cut: false,
    sayings: [],
    shown: true,
    ...change,
  };
}

function said(one: Saying, agentId = "ana"): LiveMessage {
  return { type: "live_said", seq: 0, call_id: "call_1", agent_id: agentId, saying: one };
}

function after(...messages: readonly LiveMessage[]): LiveState {
  const begun: LiveState = { ...EMPTY, seq: 0 };
  return messages.reduce((state, message, index) => {
    const next = apply(state, { ...message, seq: index + 1 });
    if (next === null) throw new Error("out of order");
    return next;
  }, begun);
}

function texts(state: LiveState): readonly string[] | undefined {
  return state.transcripts.call_1?.sayings.map((one) => one.text);
}

test("a partial text becomes the final one in its place", () => {
  const state = after(
    transcript(),
    said(saying(1, "quiero", { final: false })),
    said(saying(2, "dígame", { speaker: "agent" })),
    said(saying(1, "quiero hablar")),
  );
  expect(texts(state)).toEqual(["quiero hablar", "dígame"]);
});

test("what turns out to be no words is taken away", () => {
  const state = after(transcript(), said(saying(1, "cua", { final: false })), said(saying(1, "")));
  expect(texts(state)).toEqual([]);
});

test("a page that is loaded anew has what was said, and who takes the call over", () => {
  const before = transcript({ sayings: [saying(1, "hola")] });
  const snapshot: LiveMessage = {
    type: "snapshot", seq: 0, agents: [], queues: [], calls: [], offers: [], accepted: [],
    conversations: [],
    parked: [], transcripts: [before], wrap_ups: [], tasks: [],
  };
  expect(texts(apply(EMPTY, snapshot) ?? EMPTY)).toEqual(["hola"]);
  const gone: LiveMessage = { type: "live_transcript_gone", seq: 0, call_id: "call_1", agent_id: "ana" };
  expect(texts(after(before, gone))).toBeUndefined();
  // The news of an agent who has left may come after those of the next one.
  const handed = after(before, { ...before, agent_id: "leo" }, gone, said(saying(2, "tarde")));
  expect(texts(handed)).toEqual(["hola"]);
});

test("whether it is being listened to is told without the words", () => {
  const busy: LiveMessage = {
    type: "live_hearing", seq: 0, call_id: "call_1", agent_id: "ana", hearing: "busy",
  };
  const state = after(transcript({ sayings: [saying(1, "hola")] }), busy);
  expect(state.transcripts.call_1?.hearing).toBe("busy");
  expect(texts(state)).toEqual(["hola"]);
});

test("a long call keeps its newest sayings and says so", () => {
  const many = Array.from({ length: MOST_SAYINGS }, (_, index) => saying(index, `${index}`));
  const state = after(transcript({ sayings: many }), said(saying(MOST_SAYINGS, "última")));
  expect(texts(state)).toHaveLength(MOST_SAYINGS);
  expect(texts(state)?.at(-1)).toBe("última");
  expect(state.transcripts.call_1?.cut).toBe(true);
});

test("a screen reader is told what was finished saying, and the agent not the own words", () => {
  const sayings = [
    saying(1, "buenos días"),
    saying(2, "dígame", { speaker: "agent" }),
    saying(3, "quería", { final: false }),
  ];
  expect(lastHeard(sayings, true)?.text).toBe("buenos días");
  expect(lastHeard(sayings, false)?.text).toBe("dígame");
  expect(lastHeard([], true)).toBeNull();
});
