import { isAnonymous, phone } from "../format";
import type { Translate } from "../i18n";

/** What to call somebody of whom there is only the number, or not even that. */
export function nameless(caller: string, t: Translate): string {
  return isAnonymous(caller) ? t("caller.anonymous") : phone(caller);
}
