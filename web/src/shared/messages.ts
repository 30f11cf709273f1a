import { ApiError } from "./api";
import type { Key, Translate } from "./i18n";
import { es } from "./i18n/es";

/**
 * What went wrong, for people, in the page's language. The server's own words are shown only for what
 * the page has none for.
 */
export function errorText(t: Translate, error: unknown): string {
  if (!(error instanceof ApiError)) {
    return t("error.other", { message: error instanceof Error ? error.message : String(error) });
  }
  const { status, code, why, values, message } = error;
  for (const name of [`${code}.${why}`, code]) {
    const key = `error.${name}`;
    if (key in es && name !== "other") return t(key as Key, { ...values, message });
  }
  return status === 503 ? t("error.unavailable") : t("error.other", { message });
}
