import type { es } from "./es";

export type Key = keyof typeof es;
export type Dictionary = Readonly<Record<Key, string>>;
export type Language = "es" | "en";
export type Values = Readonly<Record<string, string | number>>;

const PLACE = /\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g;

/**
 * A text with its values. `{name}` is replaced; `{count|# call|# calls}` takes the first form for
 * one and the second for all else, with the number at `#`. Both languages count that way.
 */
export function fill(text: string, values: Values = {}): string {
  return text.replace(PLACE, (whole, name: string, one?: string, more?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one === undefined || more === undefined) return String(value);
    return (value === 1 ? one : more).replace("#", String(value));
  });
}

/** The names of the values that a text takes. */
export function places(text: string): string[] {
  return [...text.matchAll(PLACE)].map((match) => match[1] ?? "").sort();
}

/** The language to begin with: the remembered one, else the browser's first that we speak. */
export function firstLanguage(remembered: string | null, browser: readonly string[]): Language {
  for (const wanted of [remembered ?? "", ...browser]) {
    const short = wanted.slice(0, 2).toLowerCase();
    if (short === "es" || short === "en") return short;
  }
  return "es";
}
