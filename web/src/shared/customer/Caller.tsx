import { isAnonymous } from "../format";
import { useI18n } from "../i18n";
import { Number } from "../Number";

/** The number of a caller, or that it is withheld. */
export function Caller({ caller }: { caller: string }) {
  const { t } = useI18n();
  return isAnonymous(caller) ? <span>{t("caller.anonymous")}</span> : <Number value={caller} />;
}
