import { Button, Group, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Case, CaseState, Interaction } from "../shared/api";
import { useI18n } from "../shared/i18n";
import { errorText } from "../shared/messages";
import { useCases, useChangeInteraction } from "../shared/queries";

const NEW = "+";
const STATES: readonly CaseState[] = ["open", "pending", "solved"];

/** Which case a contact belongs to, and where that case stands; or a new one. */
export function CaseField({ interaction, cases }: { interaction: Interaction | null; cases: readonly Case[] }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const change = useChangeInteraction(interaction?.id ?? null);
  const { open, change: changeCase } = useCases();
  const [subject, setSubject] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const caseId = chosen ?? interaction?.case_id ?? "";
  const current = cases.find((one) => one.id === caseId);
  const customerId = interaction?.customer_id ?? null;
  const disabled = interaction === null || customerId === null;

  const assign = async (id: string) => {
    setChosen(id);
    try {
      await change.mutateAsync({ case_id: id === "" ? null : id });
    } catch (error) {
      setChosen(null);
      toast(errorText(t, error), "bad");
    }
  };
  const create = async () => {
    if (customerId === null || subject === null || subject.trim() === "") return;
    try {
      const made = await open.mutateAsync({ customerId, subject: subject.trim() });
      setSubject(null);
      await assign(made.id);
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  const move = async (state: CaseState) => {
    try {
      await changeCase.mutateAsync({ id: caseId, state });
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };

  if (subject !== null) {
    return (
      <TextInput
        label={t("case.subject")}
        value={subject}
        onChange={(event) => {
          setSubject(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) void create();
          if (event.key === "Escape") setSubject(null);
        }}
        maxLength={200}
        autoFocus
        rightSectionWidth={110}
        rightSection={
          <Button size="compact-sm" loading={open.isPending} onClick={() => void create()}>
            {t("case.create")}
          </Button>
        }
        data-testid="case-subject"
      />
    );
  }
  return (
    <Group grow align="flex-end" gap="xs" wrap="nowrap">
      <NativeSelect
        label={t("case.title")}
        disabled={disabled}
        value={caseId}
        onChange={(event) => {
          const { value } = event.currentTarget;
          if (value === NEW) setSubject("");
          else void assign(value);
        }}
        data={[
          { value: "", label: t("case.none") },
          ...cases
            .filter((one) => one.state !== "solved" || one.id === caseId)
            .map((one) => ({ value: one.id, label: one.subject })),
          ...(caseId !== "" && current === undefined ? [{ value: caseId, label: caseId }] : []),
          { value: NEW, label: t("case.new") },
        ]}
        data-testid="case-select"
      />
      {current !== undefined && (
        <NativeSelect
          label={t("case.state")}
          value={current.state}
          onChange={(event) => {
            const state = STATES.find((one) => one === event.currentTarget.value);
            if (state !== undefined) void move(state);
          }}
          data={STATES.map((state) => ({ value: state, label: t(`case.state.${state}`) }))}
          data-testid="case-state"
        />
      )}
    </Group>
  );
}
