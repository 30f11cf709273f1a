import { Button } from "@mantine/core";
import type { Agent } from "../../shared/api";
import { useI18n } from "../../shared/i18n";
import { usePhone } from "../../shared/phone";
import { Notice } from "../Notices";
import { useThisPage } from "./useThisPage";

/** What keeps the page from being a phone, with the way out; and, once, whether it is to be one. */
export function PhoneNotice({ agent }: { agent: Agent }) {
  const { t } = useI18n();
  const { state, order } = usePhone();
  const makePhone = useThisPage();
  if (state.choice === "own") return null;
  if (state.choice === "open") {
    // Who has a phone that works is asked nothing: the choice is in the settings.
    if (agent.registered) return null;
    return (
      <Notice kind="plain" icon="headset" testId="phone-choice">
        <div>
          <strong>{t("phone.use")}</strong>
          <div className="dimmed">{t("phone.use_long")}</div>
        </div>
        <span className="notice-buttons">
          <Button size="sm" onClick={() => void makePhone()} data-testid="phone-use-page">
            {t("phone.use_page")}
          </Button>
          <Button
            size="sm"
            variant="default"
            onClick={() => {
              order({ do: "use", phone: "own" });
            }}
            data-testid="phone-use-own"
          >
            {t("phone.use_own")}
          </Button>
        </span>
      </Notice>
    );
  }
  const { link } = state;
  switch (link.kind) {
    case "lost":
      return (
        <Notice kind="bad" icon="wifiOff" testId="phone-lost">
          {t("phone.lost")}
        </Notice>
      );
    case "elsewhere":
      return (
        <Notice kind="warning" icon="phonePlug" testId="phone-elsewhere">
          {t("phone.elsewhere")}
          <Button
            size="xs"
            onClick={() => {
              order({ do: "take_over" });
            }}
            data-testid="phone-take-over"
          >
            {t("phone.take_over")}
          </Button>
        </Notice>
      );
    case "refused":
      return (
        <Notice kind="bad" icon="phonePlug" testId="phone-refused">
          {t(`phone.refused.${link.why}`)}
          {link.why === "no_microphone" && (
            <Button size="xs" onClick={() => void makePhone()}>
              {t("phone.retry")}
            </Button>
          )}
        </Notice>
      );
    default:
      return null;
  }
}
