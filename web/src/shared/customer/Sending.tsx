import { Badge, Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useAnnouncer } from "../announce";
import type { Sending, SendingStatus } from "../api";
import { moment } from "../format";
import { useNow } from "../hooks";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import type { IconName } from "../icons";
import { useLive } from "../live";
import { errorText } from "../messages";
import { useRetryMessage } from "../queries";

const ICONS: Record<SendingStatus, IconName> = {
  queued: "hourglass",
  sending: "send",
  sent: "check",
  failed: "alert",
};
const CLASSES: Record<SendingStatus, string> = {
  queued: "warn-badge",
  sending: "warn-badge",
  sent: "",
  failed: "bad-badge",
};

/** Whether a message has gone. */
export function HowFar({ sending }: { sending: Sending }) {
  const { t } = useI18n();
  return (
    <Badge
      variant="outline"
      size="sm"
      color="gray"
      className={CLASSES[sending.status]}
      leftSection={<Icon name={ICONS[sending.status]} size={11} />}
      data-testid="entry-sending"
      data-status={sending.status}
    >
      {t(`sending.${sending.status}`)}
    </Badge>
  );
}

/** Why a message has not gone, what will be done about it, and what one can do oneself. */
export function WhyNotSent({ sending }: { sending: Sending }) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const now = useNow(30_000);
  const retry = useRetryMessage();
  if (sending.trouble === null || sending.status === "sent" || sending.status === "sending") return null;
  const again = async () => {
    try {
      await retry.mutateAsync(sending.message_id);
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <p className="entry-trouble" data-status={sending.status} data-testid="entry-trouble">
      <span>
        {t(`trouble.${sending.trouble}`)}
        {sending.next_at !== null && ` ${t("sending.again", { time: moment(sending.next_at, language, now) })}`}
      </span>
      <Button
        variant="light"
        size="compact-xs"
        leftSection={<Icon name="send" size={13} />}
        loading={retry.isPending}
        onClick={() => void again()}
        data-testid="message-retry"
      >
        {t("sending.retry")}
      </Button>
    </p>
  );
}

/** Looks again at a customer's history when one of the messages in it has gone, or has not. */
export function WatchMessages({ customerId }: { customerId: string }) {
  const { moved } = useLive().centre;
  const queries = useQueryClient();
  useEffect(() => {
    if (moved?.customer_id !== customerId) return;
    void queries.invalidateQueries({ queryKey: ["customer", customerId] });
  }, [moved, customerId, queries]);
  return null;
}
