import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Agent } from "../shared/api";
import { useI18n } from "../shared/i18n";
import type { Key } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { IconName } from "../shared/icons";
import { errorText } from "../shared/messages";
import { usePhone } from "../shared/phone";
import { useSetStatus } from "../shared/queries";

// The reasons that the routing gives for a break; agents can't choose them.
const RONA: Readonly<Record<string, Key>> = {
  no_answer: "rona.no_answer",
  declined: "rona.declined",
  unreachable: "rona.unreachable",
  dropped_call: "rona.dropped_call",
  phone_lost: "rona.phone_lost",
};

/** Whether the routing put the agent on break, not the agent. */
export function isRona(agent: Agent): boolean {
  return agent.status === "on_break" && agent.reason in RONA;
}

/** What keeps calls from an agent, in words, with the way out. */
export function Notices({ agent }: { agent: Agent }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const set = useSetStatus();
  const { state: phone } = usePhone();
  const rona = isRona(agent) ? RONA[agent.reason] : undefined;
  const back = async () => {
    try {
      await set.mutateAsync({ agentId: agent.agent_id, status: "available" });
    } catch (error) {
      toast(t("status.failed", { message: errorText(t, error) }), "bad");
    }
  };
  return (
    <>
      {/* A page that is the phone says itself what is wrong with it. */}
      {!agent.registered && agent.status !== "logged_out" && phone.choice !== "page" && (
        <Notice kind="bad" icon="phonePlug" testId="not-registered">
          {t("phone.not_registered_long", { extension: agent.extension })}
        </Notice>
      )}
      {rona !== undefined && (
        <Notice kind="warning" icon="phoneOff" testId="rona">
          {t(rona)}
          <Button size="xs" loading={set.isPending} onClick={() => void back()}>
            {t("rona.back")}
          </Button>
        </Notice>
      )}
    </>
  );
}

export function Notice(props: {
  kind: "bad" | "warning" | "plain";
  icon: IconName;
  testId?: string;
  children: ReactNode;
}) {
  return (
    <div className="notice" data-kind={props.kind} role="status" data-testid={props.testId}>
      <Icon name={props.icon} size={20} />
      {props.children}
    </div>
  );
}
