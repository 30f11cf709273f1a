import { createContext, useCallback, useContext, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { remember, remembered } from "../remembered";
import { fill, firstLanguage } from "./dictionary";
import type { Dictionary, Key, Language, Values } from "./dictionary";
import { en } from "./en";
import { es } from "./es";

export type { Key, Language } from "./dictionary";

const DICTIONARIES: Record<Language, Dictionary> = { es, en };

export type Translate = (key: Key, values?: Values) => string;

interface I18n {
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
  readonly t: Translate;
}

const Context = createContext<I18n | null>(null);

/** Gives the texts of one language to everything inside; the choice is remembered. */
export function I18nProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState(() =>
    firstLanguage(remembered("language"), navigator.languages),
  );
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const setLanguage = useCallback((chosen: Language) => {
    remember("language", chosen);
    choose(chosen);
  }, []);
  const value = useMemo<I18n>(
    () => ({
      language,
      setLanguage,
      t: (key, values) => fill(DICTIONARIES[language][key], values),
    }),
    [language, setLanguage],
  );
  return <Context value={value}>{children}</Context>;
}

export function useI18n(): I18n {
  const value = useContext(Context);
  if (value === null) throw new Error("useI18n outside of I18nProvider");
  return value;
}

/** The text for a key that comes from outside, where there is one; else what came. */
export function textOr(t: Translate, prefix: string, given: string): string {
  const key = prefix + given;
  return key in es ? t(key as Key) : given;
}
