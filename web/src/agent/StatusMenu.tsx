import { Button, Menu } from "@mantine/core";
import { useMemo, useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Agent, AgentStatus } from "../shared/api";
import { clockTime } from "../shared/format";
import { secondsSince, useNow } from "../shared/hooks";
import { textOr, useI18n } from "../shared/i18n";
import type { Translate } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { IconName } from "../shared/icons";
import { useLive } from "../shared/live";
import { errorText } from "../shared/messages";
import { useSetStatus } from "../shared/queries";
import { PhoneButton } from "./phone/PhoneButton";
import { useShortcuts } from "../shared/shortcuts";

export const BREAK_REASONS = ["rest", "meal", "meeting", "training", "paperwork"] as const;

/** How an agent is, in one word: what is happening to them, else what they chose. */
export function presence(agent: Agent): { kind: string; icon: IconName } {
  if (agent.state === "in_call") return { kind: "in_call", icon: "phoneCall" };
  if (agent.state === "offered") return { kind: "offered", icon: "bell" };
  if (agent.state === "wrap_up") return { kind: "wrap_up", icon: "pencil" };
  if (agent.status === "available") {
    return agent.registered
      ? { kind: "available", icon: "circleCheck" }
      : { kind: "unreachable", icon: "phonePlug" };
  }
  return agent.status === "on_break"
    ? { kind: "on_break", icon: "coffee" }
    : { kind: "logged_out", icon: "power" };
}

/** The chosen status in words, with the reason of a break. */
export function statusText(t: Translate, status: AgentStatus, reason: string): string {
  if (status !== "on_break" || reason === "") return t(`status.${status}`);
  return t("status.break_for", { reason: textOr(t, "break.", reason) });
}

/** The agent's own status and state, and the menu to choose another. */
export function StatusMenu({ agentId }: { agentId: string }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { centre } = useLive();
  const now = useNow();
  const [opened, setOpened] = useState(false);
  const set = useSetStatus();
  const agent = centre.agents[agentId];

  const { mutateAsync } = set;
  const choose = useMemo(
    () => async (status: AgentStatus, reason?: string) => {
      try {
        await mutateAsync({ agentId, status, ...(reason === undefined ? {} : { reason }) });
      } catch (error) {
        toast(t("status.failed", { message: errorText(t, error) }), "bad");
      }
    },
    [agentId, mutateAsync, t, toast],
  );
  useShortcuts(
    useMemo(
      () => ({
        a: () => void choose("available"),
        s: () => {
          setOpened(true);
        },
      }),
      [choose],
    ),
  );

  if (agent === undefined) return null;
  const { kind, icon } = presence(agent);
  const busy = agent.state !== "idle";
  return (
    <div className="presence">
      <PhoneButton agent={agent} />
      <Menu opened={opened} onChange={setOpened} position="bottom-end" withinPortal width={230}>
        <Menu.Target>
          <Button
            className="presence-button"
            variant="default"
            data-kind={kind}
            loading={set.isPending}
            leftSection={<Icon name={icon} />}
            rightSection={<Icon name="chevronDown" size={15} />}
            data-testid="status-select"
          >
            <span className="spoken">{t("status.label")}: </span>
            <span data-testid="agent-state" data-state={agent.state} data-status={agent.status}>
              {busy ? t(`state.${agent.state}`) : statusText(t, agent.status, agent.reason)}
            </span>
            <span className="presence-time">{clockTime(secondsSince(agent.since, now))}</span>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{t("status.choose")}</Menu.Label>
          <Menu.Item
            leftSection={<Icon name="circleCheck" />}
            rightSection={agent.status === "available" ? <Icon name="check" size={15} /> : null}
            onClick={() => void choose("available")}
            data-testid="status-available"
          >
            {t("status.available")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Label>{t("status.on_break")}</Menu.Label>
          {BREAK_REASONS.map((reason) => (
            <Menu.Item
              key={reason}
              leftSection={<Icon name="coffee" />}
              rightSection={
                agent.status === "on_break" && agent.reason === reason ? (
                  <Icon name="check" size={15} />
                ) : null
              }
              onClick={() => void choose("on_break", reason)}
              data-testid={`status-break-${reason}`}
            >
              <span className="capital">{t(`break.${reason}`)}</span>
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item
            leftSection={<Icon name="power" />}
            rightSection={agent.status === "logged_out" ? <Icon name="check" size={15} /> : null}
            onClick={() => void choose("logged_out")}
            data-testid="status-logged-out"
          >
            {t("status.logged_out")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}
