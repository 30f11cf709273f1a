import type { Offer } from "../../shared/api";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { useConversation } from "./useConversation";

/** Who had the caller before, and what they wrote. */
export function HandedOver({ offer, callId }: { offer: Offer | null; callId: string }) {
  const { t } = useI18n();
  // Whoever was asked has the caller once there is a conversation of the own.
  const asked = useConversation(callId) === null && offer?.consultation === true;
  if (offer?.transferred_from == null) return null;
  const name = offer.transferred_from_name === "" ? t("oncall.somebody") : offer.transferred_from_name;
  return (
    <section className="card handed-over" data-testid="handed-over">
      <b>
        <Icon name={asked ? "userQuestion" : "give"} />{" "}
        {t(asked ? "oncall.asks_you" : "oncall.hands_over", { name })}
      </b>
      {offer.notes === "" ? (
        <p className="dimmed">{t("oncall.nothing_written")}</p>
      ) : (
        <p className="entry-notes" data-testid="handed-over-notes">
          {offer.notes}
        </p>
      )}
    </section>
  );
}
