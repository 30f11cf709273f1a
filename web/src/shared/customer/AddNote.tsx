import { Button, Group, Textarea } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../announce";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useAddNote } from "../queries";

/** A note on a customer that belongs to no call. */
export function AddNote({ customerId }: { customerId: string }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const [text, setText] = useState<string | null>(null);
  const add = useAddNote(customerId);

  if (text === null) {
    return (
      <Button
        variant="subtle"
        size="compact-sm"
        mb="xs"
        leftSection={<Icon name="plus" size={15} />}
        onClick={() => {
          setText("");
        }}
      >
        {t("timeline.add_note")}
      </Button>
    );
  }
  const save = async () => {
    try {
      await add.mutateAsync(text.trim());
      setText(null);
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <form
      className="add-note"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Textarea
        label={t("timeline.note_text")}
        autosize
        minRows={2}
        autoFocus
        maxLength={20_000}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
        }}
      />
      <Group justify="flex-end" gap="xs" mt="xs">
        <Button
          variant="default"
          size="xs"
          onClick={() => {
            setText(null);
          }}
        >
          {t("customer.cancel")}
        </Button>
        <Button type="submit" size="xs" loading={add.isPending} disabled={text.trim() === ""}>
          {t("timeline.note_save")}
        </Button>
      </Group>
    </form>
  );
}
