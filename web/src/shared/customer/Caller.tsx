import type { Task } from "../api";
import { isAnonymous } from "../format";
import { useI18n } from "../i18n";
import { Number } from "../Number";

/** The number of a caller, or that it is withheld; pressed, it is called for `task`, if given. */
export function Caller({ caller, task }: { caller: string; task?: Task }) {
  const { t } = useI18n();
  return isAnonymous(caller) ? <span>{t("caller.anonymous")}</span> : <Number value={caller} task={task} />;
}
