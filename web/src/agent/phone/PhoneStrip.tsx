import { nameless } from "../../shared/customer/caller";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { usePhone } from "../../shared/phone";
import { PhoneActions } from "./PhoneActions";

/** The phone above every other page: a call can be answered and ended wherever the agent is. */
export function PhoneStrip({ shownCallId }: { shownCallId: string | null }) {
  const { t } = useI18n();
  const { state } = usePhone();
  const { talk } = state;
  if (talk.kind === "none" || talk.callId === shownCallId) return null;
  const who = nameless(talk.caller, t);
  return (
    <section className="phone-strip" aria-label={t("phone.settings")} data-testid="phone-strip">
      <Icon name={talk.kind === "talking" ? "phoneCall" : "bell"} />
      <strong>{t(talk.kind === "talking" ? "phone.strip_talking" : "phone.strip_ringing", { who })}</strong>
      <div className="band-actions">
        <PhoneActions callId={talk.callId} />
      </div>
    </section>
  );
}
