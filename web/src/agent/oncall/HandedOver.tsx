import type { Offer } from "../../shared/api";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";

/** Who had the caller before, and what they wrote. */
export function HandedOver({ offer }: { offer: Offer | null }) {
  const { t } = useI18n();
  if (offer?.transferred_from == null) return null;
  const name = offer.transferred_from_name === "" ? t("oncall.somebody") : offer.transferred_from_name;
  return (
    <section className="card handed-over" data-testid="handed-over">
      <b>
        <Icon name={offer.consultation ? "userQuestion" : "give"} />{" "}
        {t(offer.consultation ? "oncall.asks_you" : "oncall.hands_over", { name })}
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
