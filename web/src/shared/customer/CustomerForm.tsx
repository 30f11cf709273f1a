import { Button, Group, NativeSelect, SimpleGrid, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../announce";
import type { Customer } from "../api";
import { languageName } from "../format";
import { useI18n } from "../i18n";
import { errorText } from "../messages";
import { useChangeCustomer } from "../queries";

// Those most spoken where the pages' languages are; others stay when they are set already.
const LANGUAGES = ["es", "en", "ca", "gl", "eu", "pt", "fr", "de", "it", "ro", "ar", "zh"];

/** Corrects a customer. Giving a provisional one a name makes it a full one. */
export function CustomerForm({ customer, onDone }: { customer: Customer; onDone: () => void }) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const change = useChangeCustomer(customer.id);
  const [name, setName] = useState(customer.name);
  const [segment, setSegment] = useState(customer.segment);
  const [spoken, setSpoken] = useState(customer.language);
  const [notes, setNotes] = useState(customer.notes);

  const save = async () => {
    try {
      // Only what changed: a name would end a provisional customer's being provisional.
      await change.mutateAsync({
        ...(name.trim() === customer.name ? {} : { name: name.trim() }),
        ...(segment === customer.segment ? {} : { segment }),
        ...(spoken === customer.language ? {} : { language: spoken }),
        ...(notes === customer.notes ? {} : { notes }),
      });
      toast(t("customer.saved"));
      onDone();
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };

  return (
    <form
      className="customer-form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
      }}
    >
      <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
        <TextInput
          label={t("customer.name")}
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
          }}
          maxLength={200}
          autoFocus
          data-testid="customer-name"
        />
        <TextInput
          label={t("customer.segment")}
          value={segment}
          onChange={(event) => {
            setSegment(event.currentTarget.value);
          }}
          maxLength={200}
        />
        <NativeSelect
          label={t("customer.language")}
          value={spoken}
          onChange={(event) => {
            setSpoken(event.currentTarget.value);
          }}
          data={[
            { value: "", label: "" },
            ...[...new Set([...LANGUAGES, ...(customer.language === "" ? [] : [customer.language])])].map(
              (code) => ({ value: code, label: languageName(code, language) }),
            ),
          ]}
        />
      </SimpleGrid>
      <Textarea
        mt="sm"
        label={t("customer.notes")}
        value={notes}
        onChange={(event) => {
          setNotes(event.currentTarget.value);
        }}
        maxLength={20_000}
        autosize
        minRows={2}
      />
      <Group mt="sm" gap="xs" justify="flex-end">
        <Button variant="default" onClick={onDone}>
          {t("customer.cancel")}
        </Button>
        <Button
          type="submit"
          loading={change.isPending}
          disabled={customer.name !== "" && name.trim() === ""}
          data-testid="customer-save"
        >
          {t("customer.save")}
        </Button>
      </Group>
    </form>
  );
}
