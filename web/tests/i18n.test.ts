import { expect, test } from "vitest";
import { fill, firstLanguage, places } from "../src/shared/i18n/dictionary";
import { en } from "../src/shared/i18n/en";
import { es } from "../src/shared/i18n/es";

const dictionaries: Record<string, Readonly<Record<string, string>>> = { es, en };

test("no language lacks a text that the other one has", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(es).sort());
});

test("every text says something", () => {
  for (const texts of Object.values(dictionaries)) {
    expect(Object.entries(texts).filter(([, text]) => text.trim() === "")).toEqual([]);
  }
});

test("both languages take the same values in each text", () => {
  const taken = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, places(text)]));
  expect(taken(en)).toEqual(taken(es));
});

test("one is counted otherwise than many", () => {
  const text = "{count|# llamada|# llamadas} de {who}";
  expect(fill(text, { count: 1, who: "Ana" })).toBe("1 llamada de Ana");
  expect(fill(text, { count: 0, who: "Ana" })).toBe("0 llamadas de Ana");
});

test("a value that is missing stays visible instead of vanishing", () => {
  expect(fill("Cola {queue}")).toBe("Cola {queue}");
});

test("the remembered language comes first, then the browser's, then Spanish", () => {
  expect(firstLanguage("en", ["es-ES"])).toBe("en");
  expect(firstLanguage(null, ["fr-FR", "en-GB", "es"])).toBe("en");
  expect(firstLanguage(null, ["fr-FR"])).toBe("es");
  expect(firstLanguage("klingon", ["es-MX"])).toBe("es");
});
