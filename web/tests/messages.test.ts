import { expect, test } from "vitest";
import { ApiError } from "../src/shared/api";
import { fill } from "../src/shared/i18n/dictionary";
import { en } from "../src/shared/i18n/en";
import { es } from "../src/shared/i18n/es";
import type { Translate } from "../src/shared/i18n";
import { errorText } from "../src/shared/messages";

const spanish: Translate = (key, values) => fill(es[key], values);
const english: Translate = (key, values) => fill(en[key], values);

test("a refusal is said in the page's language, with the name that is in the way", () => {
  const refused = new ApiError(409, "agent_unavailable", "Leo is on break", "on_break", { name: "Leo" });
  expect(errorText(spanish, refused)).toBe("Leo está en pausa.");
  expect(errorText(english, refused)).toBe("Leo is on a break.");
});

test("limits and numbers are in the sentence, and one is counted otherwise than many", () => {
  const refused = (calls: number) =>
    new ApiError(409, "not_allowed", "agent_ana has made calls", "calls_of_caller", { calls });
  expect(errorText(spanish, refused(1))).toContain("1 llamada, que");
  expect(errorText(english, refused(100))).toContain("100 calls today");
});

test("a reason that the page does not know yet falls back to what is known of its code", () => {
  const refused = new ApiError(409, "not_allowed", "not on a Sunday", "sunday");
  expect(errorText(spanish, refused)).toBe(es["error.not_allowed"]);
});

test("an unknown code is a general sentence of the page and the server's words", () => {
  const refused = new ApiError(409, "moon_is_full", "wait for the new moon");
  expect(errorText(spanish, refused)).toBe("No ha sido posible: wait for the new moon");
  expect(errorText(english, refused)).toBe("That did not work: wait for the new moon");
});

test("a part of the server that is away is said so, and more exactly where that is known", () => {
  expect(errorText(spanish, new ApiError(503, "recognizer_busy", "busy"))).toBe(es["error.unavailable"]);
  expect(errorText(spanish, new ApiError(503, "unavailable", "no", "recording"))).toBe(
    es["error.unavailable.recording"],
  );
});

test("a value that the server refuses without more is said with its words", () => {
  expect(errorText(spanish, new ApiError(400, "invalid_input", "Expected `str`"))).toContain("Expected `str`");
});
