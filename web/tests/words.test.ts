import { expect, test } from "vitest";
import { noteServerTime, serverNow } from "../src/shared/clock";
import { turns } from "../src/shared/customer/transcript";
import { clockTime, duration, isAnonymous, phone } from "../src/shared/format";
import { parseRoute, pathOf } from "../src/shared/route";

const word = (text: string, start: number) => ({
  text,
  start_s: start,
  end_s: start + 0.3,
  confidence: 0.9,
});

function spoken(...channels: [string, ReturnType<typeof word>[]][]) {
  return turns({
    recording_id: "rec_1",
    language: "es",
    text: "",
    channels: channels.map(([speaker, words]) => ({ speaker, text: "", words })),
  }).map((turn) => `${turn.speaker}: ${turn.words.map((one) => one.text).join(" ")}`);
}

test("two channels become turns in the order in which they were said", () => {
  expect(
    spoken(
      ["caller", [word("hola", 0), word("buenas", 0.4), word("sí", 3)]],
      ["agent", [word("dígame", 1.2)]],
    ),
  ).toEqual(["caller: hola buenas", "agent: dígame", "caller: sí"]);
});

test("a long silence begins a new line", () => {
  expect(spoken(["voicemail", [word("uno", 0), word("dos", 5)]])).toEqual(["voicemail: uno", "voicemail: dos"]);
});

test("numbers have the code of their country before them, and no digit stands alone", () => {
  expect(
    ["+34600111222", "+4915112345678", "+12025550123", "+79161234567", "+351912345678", "+3725123456", "201"].map(
      phone,
    ),
  ).toEqual([
    "+34 600 111 222",
    "+49 151 123 456 78",
    "+1 202 555 0123",
    "+7 916 123 4567",
    "+351 912 345 678",
    "+372 512 3456",
    "201",
  ]);
});

test("times read as on a clock, lengths in their units", () => {
  expect([7, 750, 3723, 3 * 86400].map(clockTime)).toEqual(["0:07", "12:30", "1:02:03", "3 d"]);
  expect([7, 96, 720, 3720, 7200].map(duration)).toEqual(["7 s", "1 min 36 s", "12 min", "1 h 2 min", "2 h"]);
});

test("numbers are grouped for reading, and what is no number stays as it came", () => {
  expect(phone("+34600111222")).toBe("+34 600 111 222");
  expect(phone("+442079460958")).toBe("+44 207 946 0958");
  expect(phone("101")).toBe("101");
  expect(phone("sip:ana@example.org")).toBe("sip:ana@example.org");
});

test("a withheld number is known by its absence or its usual names", () => {
  expect(["", "anonymous", "Restricted"].every(isAnonymous)).toBe(true);
  expect(isAnonymous("+34600111222")).toBe(false);
});

test("a desk whose clock is wrong still counts right", () => {
  const now = Date.parse("2026-01-05T12:00:00Z");
  noteServerTime("Mon, 05 Jan 2026 12:05:00 GMT", now);
  expect(Math.abs(serverNow() - Date.now() - 300_500)).toBeLessThan(50);
  noteServerTime("Mon, 05 Jan 2026 12:00:01 GMT", now);
  expect(Math.abs(serverNow() - Date.now())).toBeLessThan(50);
});

test("every place has an address that leads back to it", () => {
  for (const route of [
    { page: "desk" },
    { page: "customers", customerId: null },
    { page: "customers", customerId: "cus_1" },
    { page: "tasks" },
    { page: "board" },
  ] as const) {
    expect(parseRoute(pathOf(route))).toEqual(route);
  }
  expect(parseRoute("/nowhere")).toEqual({ page: "desk" });
});
