import { ApiError } from "./api";
import type { Key, Translate } from "./i18n";
import { es } from "./i18n/es";

/** What went wrong, for people. */
export function errorText(t: Translate, error: unknown): string {
  if (error instanceof ApiError) {
    const code = error.status === 503 ? "unavailable" : error.code;
    const key = `error.${code}`;
    if (key in es && code !== "other") return t(key as Key);
  }
  return t("error.other", { message: error instanceof Error ? error.message : String(error) });
}
