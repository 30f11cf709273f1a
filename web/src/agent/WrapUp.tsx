import { Button, Group, NativeSelect, Text, Textarea, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Case, Interaction, WrapUp as WrapUpStarted } from "../shared/api";
import { readable } from "../shared/customer/Path";
import { clockTime } from "../shared/format";
import { useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { errorText } from "../shared/messages";
import { queuesQuery, useChangeInteraction, useWrapUp } from "../shared/queries";
import { useShortcuts } from "../shared/shortcuts";
import { CaseField } from "./CaseField";
import { useDraft } from "./draft";
import type { Saving } from "./draft";
import { NextStep } from "./NextStep";
import { Tags } from "./Tags";

const MORE_S = 60;
// From here on the time that is left is shown as running out.
const SOON_S = 15;

interface Props {
  /** null while the call goes on: the same sheet, but nothing to finish yet. */
  readonly wrapUp: WrapUpStarted | null;
  readonly agentId: string;
  readonly interaction: Interaction | null;
  readonly queueId: string | null;
  readonly cases: readonly Case[];
}

/** Notes, disposition and case of a call. Everything is saved at once; finishing only ends the time. */
export function WrapUp({ wrapUp, agentId, interaction, queueId, cases }: Props) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const savedLate = useCallback(() => {
    toast(t("contact.over_saved"));
  }, [t, toast]);
  const draft = useDraft(interaction, savedLate);
  const change = useChangeInteraction(interaction?.id ?? null);
  const { extend, finish } = useWrapUp(agentId);
  const { data: queues } = useQuery(queuesQuery);
  const [disposition, setDisposition] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const notes = useRef<HTMLTextAreaElement>(null);
  const wrapping = wrapUp !== null;

  useEffect(() => {
    if (wrapping) notes.current?.focus({ preventScroll: true });
  }, [wrapping]);
  useShortcuts(
    useMemo(
      () => ({
        n: () => notes.current?.focus(),
      }),
      [],
    ),
  );

  const listed =
    wrapUp?.dispositions ?? queues?.items.find((one) => one.id === queueId)?.dispositions ?? [];
  const chosen = disposition ?? interaction?.disposition ?? "";
  // A queue may have changed its list since this was chosen.
  const choices = [...new Set([...listed, ...(chosen === "" ? [] : [chosen])])];

  const choose = async (value: string) => {
    setDisposition(value);
    try {
      await change.mutateAsync({ disposition: value });
    } catch (error) {
      setDisposition(null);
      toast(errorText(t, error), "bad");
    }
  };
  const end = async () => {
    if (!wrapping || busy) return;
    setBusy(true);
    try {
      await draft.flush();
      if (disposition !== null && disposition !== interaction?.disposition) {
        await change.mutateAsync({ disposition });
      }
      await finish.mutateAsync();
      toast(t("contact.finished"));
    } catch (error) {
      toast(errorText(t, error), "bad");
    } finally {
      setBusy(false);
    }
  };
  const takeMore = async () => {
    try {
      await extend.mutateAsync(MORE_S);
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };

  return (
    <section
      className="card sheet"
      data-testid={wrapping ? "wrap-up" : "notes"}
      aria-label={t(wrapping ? "contact.wrap_up" : "contact.notes")}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void end();
      }}
    >
      {wrapping && (
        <Group justify="space-between" mb="sm">
          <Title order={2} size="h4">
            {t("contact.wrap_up")}
          </Title>
          <Countdown until={wrapUp.until} />
        </Group>
      )}
      <Textarea
        ref={notes}
        label={
          <span className="label-line">
            {t("contact.notes")}
            <SavingState saving={draft.saving} onRetry={() => void draft.flush().catch(() => undefined)} />
          </span>
        }
        disabled={interaction === null}
        placeholder={interaction === null ? t("contact.offline") : t("contact.notes_hint")}
        value={draft.text}
        onChange={(event) => {
          draft.write(event.currentTarget.value);
        }}
        onBlur={() => void draft.flush().catch(() => undefined)}
        maxLength={20_000}
        autosize
        minRows={3}
        maxRows={12}
        data-testid="wrap-up-note"
      />
      <div className="sheet-fields">
        <NativeSelect
          label={t("contact.disposition")}
          disabled={interaction === null}
          value={chosen}
          onChange={(event) => void choose(event.currentTarget.value)}
          data={[
            { value: "", label: t("contact.no_disposition") },
            ...choices.map((one) => ({ value: one, label: readable(one) })),
          ]}
          data-testid="wrap-up-disposition"
        />
        <CaseField interaction={interaction} cases={cases} />
      </div>
      <Tags interaction={interaction} />
      <NextStep interaction={interaction} agentId={agentId} queueId={queueId} />
      {wrapping && (
        <Group justify="flex-end" mt="md" gap="sm">
          <Button
            variant="default"
            leftSection={<Icon name="hourglass" size={16} />}
            loading={extend.isPending}
            onClick={() => void takeMore()}
            data-testid="wrap-up-extend"
          >
            {t("contact.more_time")}
          </Button>
          <Button
            leftSection={<Icon name="check" />}
            loading={busy}
            onClick={() => void end()}
            data-testid="wrap-up-save"
          >
            {t("contact.finish")}
          </Button>
        </Group>
      )}
    </section>
  );
}

function Countdown({ until }: { until: string }) {
  const { t } = useI18n();
  const now = useNow(250);
  const left = Math.ceil((Date.parse(until) - now) / 1000);
  return (
    <Text
      className="countdown"
      data-soon={left <= SOON_S || undefined}
      role="timer"
      data-testid="wrap-up-left"
    >
      <Icon name="hourglass" size={16} />{" "}
      {left > 0 ? t("contact.left", { time: clockTime(left) }) : t("contact.over")}
    </Text>
  );
}

function SavingState({ saving, onRetry }: { saving: Saving; onRetry: () => void }) {
  const { t } = useI18n();
  switch (saving.state) {
    case "clean":
      return null;
    case "waiting":
    case "saving":
      return <span className="dimmed small">{t("contact.saving")}</span>;
    case "saved":
      return (
        <span className="dimmed small" data-testid="saved">
          <Icon name="check" size={14} /> {t("contact.saved")}
        </span>
      );
    case "failed":
      return (
        <span className="bad small" role="alert">
          <Icon name="alert" size={14} /> {t("contact.unsaved", { message: errorText(t, saving.error) })}{" "}
          <Button variant="subtle" size="compact-xs" onClick={onRetry}>
            {t("contact.retry")}
          </Button>
        </span>
      );
  }
}
