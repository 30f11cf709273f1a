import { ActionIcon, Tooltip } from "@mantine/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useAnnouncer } from "../../shared/announce";
import type { Task } from "../../shared/api";
import { DialProvider, useDial } from "../../shared/dial";
import type { Dial } from "../../shared/dial";
import { textOr, useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { useLive } from "../../shared/live";
import { useMe } from "../../shared/session";
import { useShortcuts } from "../../shared/shortcuts";
import { DialPad } from "./DialPad";

/** Lets agents call numbers from everywhere inside. */
export function Dialling({ children }: { children: ReactNode }) {
  const { agent } = useMe();
  const [wanted, setWanted] = useState<{ number: string; task: Task | undefined } | null>(null);
  const open = useCallback<Dial>((number, task) => {
    setWanted({ number, task });
  }, []);
  const dial = agent === null ? null : open;
  useShortcuts(
    useMemo(
      () =>
        agent === null
          ? {}
          : {
              g: () => {
                open("");
              },
            },
      [agent, open],
    ),
  );
  const close = useCallback(() => {
    setWanted(null);
  }, []);
  return (
    <DialProvider dial={dial}>
      {children}
      {agent !== null && <Unreached agentId={agent.id} />}
      {agent !== null && wanted !== null && (
        <DialPad number={wanted.number} task={wanted.task} queues={agent.queues} onClose={close} />
      )}
    </DialProvider>
  );
}

/** Opens the dial pad. */
export function DialButton() {
  const { t } = useI18n();
  const dial = useDial();
  if (dial === null) return null;
  return (
    <Tooltip label={t("dial.open")}>
      <ActionIcon
        variant="light"
        size="lg"
        aria-label={t("dial.open")}
        onClick={() => {
          dial("");
        }}
        data-testid="dial-open"
      >
        <Icon name="phoneOut" />
      </ActionIcon>
    </Tooltip>
  );
}

/** Says why a call of one's own reached nobody. */
function Unreached({ agentId }: { agentId: string }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { centre } = useLive();
  const gone = centre.unreached[agentId];
  const told = useRef(gone);
  useEffect(() => {
    if (gone === undefined || gone === told.current) return;
    told.current = gone;
    toast(textOr(t, "dial.outcome.", gone.outcome), gone.outcome === "cancelled" ? "good" : "bad");
  }, [gone, t, toast]);
  return null;
}
