import { Button, Group, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Interaction } from "../shared/api";
import { serverNow } from "../shared/clock";
import { moment } from "../shared/format";
import { useI18n } from "../shared/i18n";
import { errorText } from "../shared/messages";
import { queuesQuery, useMakeTask } from "../shared/queries";

const HOUR_MS = 3_600_000;
const ME = "me";

interface Props {
  readonly interaction: Interaction;
  readonly agentId: string;
  readonly queueId: string | null;
  readonly onDone: () => void;
}

/** A call to be made at a time, by this agent or by a queue. */
export function CallBack({ interaction, agentId, queueId, onDone }: Props) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const make = useMakeTask();
  const { data: queues } = useQuery(queuesQuery);
  const [when, setWhen] = useState(() => localInput(serverNow() + HOUR_MS));
  const [who, setWho] = useState(ME);
  const [text, setText] = useState("");
  const due = new Date(when);
  const past = Number.isNaN(due.getTime()) || due.getTime() < serverNow();

  const save = async () => {
    try {
      await make.mutateAsync({
        due_at: due.toISOString(),
        interaction_id: interaction.id,
        ...(interaction.customer_id === null ? {} : { customer_id: interaction.customer_id }),
        ...(who === ME ? { agent_id: agentId } : { queue_id: who }),
        text: text.trim(),
      });
      toast(t("next.callback_saved", { time: moment(due.toISOString(), language, serverNow()) }));
      onDone();
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <form
      className="next-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!past) void save();
      }}
    >
      <div className="sheet-fields">
        <TextInput
          type="datetime-local"
          label={t("next.when")}
          value={when}
          required
          error={past ? t("next.past") : null}
          onChange={(event) => {
            setWhen(event.currentTarget.value);
          }}
          data-testid="callback-when"
        />
        <NativeSelect
          label={t("next.who")}
          value={who}
          onChange={(event) => {
            setWho(event.currentTarget.value);
          }}
          data={[
            { value: ME, label: t("next.me") },
            ...[...(queues?.items ?? [])]
              .sort((a, b) => Number(b.id === queueId) - Number(a.id === queueId))
              .map((one) => ({ value: one.id, label: t("pop.queue", { queue: one.title }) })),
          ]}
          data-testid="callback-who"
        />
      </div>
      <TextInput
        mt="xs"
        label={t("next.what")}
        value={text}
        maxLength={2000}
        onChange={(event) => {
          setText(event.currentTarget.value);
        }}
        data-testid="callback-text"
      />
      <Group justify="flex-end" gap="xs" mt="sm">
        <Button variant="default" size="xs" onClick={onDone}>
          {t("customer.cancel")}
        </Button>
        <Button type="submit" size="xs" loading={make.isPending} disabled={past} data-testid="callback-save">
          {t("next.callback_save")}
        </Button>
      </Group>
    </form>
  );
}

/** A time as the browser's own field wants it: in the time of this desk, to the minute. */
function localInput(time: number): string {
  const there = new Date(time - new Date(time).getTimezoneOffset() * 60_000);
  return there.toISOString().slice(0, 16);
}
