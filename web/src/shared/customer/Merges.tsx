import { Button, Group, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../announce";
import type { Merge } from "../api";
import { Dialog } from "../Dialog";
import { moment } from "../format";
import { useNow } from "../hooks";
import { useI18n } from "../i18n";
import type { Translate } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useMerges, useMerging } from "../queries";
import { nameOf } from "./CustomerHead";

/** Whom this customer was put together from, each with the way back. */
export function Merges({ customerId }: { customerId: string }) {
  const { t } = useI18n();
  const { data: merges } = useMerges(customerId);
  if (merges === undefined || merges.items.length === 0) return null;
  return (
    <section className="card" aria-labelledby="merges-title" data-testid="merges">
      <Title order={2} size="h4" id="merges-title" mb="xs">
        {t("merge.list")}
      </Title>
      <ul className="merges">
        {merges.items.map((merge) => (
          <OneMerge key={merge.id} merge={merge} />
        ))}
      </ul>
    </section>
  );
}

function OneMerge({ merge }: { merge: Merge }) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const { undo } = useMerging();
  const [asking, setAsking] = useState(false);
  const now = useNow(60_000);
  const name = nameOf(merge.former, t("caller.unknown"));
  const confirm = async () => {
    try {
      const undone = await undo.mutateAsync(merge.id);
      setAsking(false);
      toast([t("merge.undone", { name }), ...left(t, undone)].join(" "));
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <li className="merge" data-testid="merge" data-undone={merge.undone_at !== null || undefined}>
      <div>
        <b>{name}</b> <span className="dimmed">{moved(t, merge.moved)}</span>
        <Text size="xs" c="dimmed">
          {t("merge.by", { name: merge.by_name, time: moment(merge.at, language, now) })}
          {merge.undone_at !== null && (
            <>
              {" "}
              {t("merge.undone_by", {
                name: merge.undone_by,
                time: moment(merge.undone_at, language, now),
              })}{" "}
              {left(t, merge).join(" ")}
            </>
          )}
        </Text>
      </div>
      {merge.undone_at === null && (
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<Icon name="history" size={15} />}
          aria-label={t("merge.undo_this", { name })}
          onClick={() => {
            setAsking(true);
          }}
          data-testid="merge-undo"
        >
          {t("merge.undo")}
        </Button>
      )}
      <Dialog
        opened={asking}
        onClose={() => {
          setAsking(false);
        }}
        title={t("merge.undo_this", { name })}
      >
        <Text size="sm">{t("merge.undo_what", { name, moved: moved(t, merge.moved) })}</Text>
        <Group justify="flex-end" mt="md">
          <Button
            variant="default"
            onClick={() => {
              setAsking(false);
            }}
          >
            {t("customer.cancel")}
          </Button>
          <Button loading={undo.isPending} onClick={() => void confirm()} data-testid="merge-undo-now">
            {t("merge.undo")}
          </Button>
        </Group>
      </Dialog>
    </li>
  );
}

const KINDS = ["interaction", "case", "task", "identity", "message"] as const;

function moved(t: Translate, counts: Readonly<Record<string, number>>): string {
  return KINDS.flatMap((kind) => {
    const count = counts[kind] ?? 0;
    return count === 0 ? [] : [t(`merge.count.${kind}`, { count })];
  }).join(", ");
}

/** What an undo could not bring back, said plainly. */
function left(t: Translate, merge: Merge): string[] {
  const stayed = moved(t, merge.stayed);
  return [
    ...(stayed === "" ? [] : [t("merge.stayed", { what: stayed })]),
    ...(merge.unlinked.length === 0 ? [] : [t("merge.unlinked", { count: merge.unlinked.length })]),
  ];
}
