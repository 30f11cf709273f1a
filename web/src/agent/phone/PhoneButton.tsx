import { lazy, Suspense, useMemo, useState } from "react";
import type { Agent } from "../../shared/api";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { usePhone } from "../../shared/phone";
import { useShortcuts } from "../../shared/shortcuts";

// Opened once in a while: not part of what loads first.
const PhoneSettings = lazy(async () => ({ default: (await import("./PhoneSettings")).PhoneSettings }));

/** Which phone the agent has and whether it can be rung; opens its settings. */
export function PhoneButton({ agent }: { agent: Agent }) {
  const { t } = useI18n();
  const { state } = usePhone();
  const [opened, setOpened] = useState(false);
  useShortcuts(
    useMemo(
      () => ({
        p: () => {
          setOpened(true);
        },
      }),
      [],
    ),
  );
  const here = state.choice === "page" && state.link.kind === "registered";
  const connecting = state.choice === "page" && state.link.kind === "connecting";
  const title = here
    ? t("phone.page_ready", { extension: agent.extension })
    : agent.registered
      ? t("phone.registered", { extension: agent.extension })
      : t("phone.not_registered_long", { extension: agent.extension });
  const shown = connecting
    ? t("phone.connecting")
    : agent.registered
      ? agent.extension
      : t("phone.not_registered");
  return (
    <>
      <button
        type="button"
        className="phone-state"
        data-registered={agent.registered}
        data-link={state.link.kind}
        title={title}
        aria-label={`${shown}. ${title}. ${t("phone.settings")}`}
        onClick={() => {
          setOpened(true);
        }}
        data-testid="phone-state"
      >
        <Icon name={here ? "headset" : agent.registered ? "phoneOk" : "phonePlug"} />
        <span>{shown}</span>
      </button>
      {opened && (
        <Suspense fallback={null}>
          <PhoneSettings
            onClose={() => {
              setOpened(false);
            }}
          />
        </Suspense>
      )}
    </>
  );
}
