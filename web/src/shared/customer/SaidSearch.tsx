import { Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import type { Interaction } from "../api";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { go } from "../route";
import type { Place } from "../route";
import { Entry } from "./Entry";
import { SearchHits } from "./SearchHits";

interface Props {
  readonly search: string;
  readonly onSearch: (search: string) => void;
}

/** Searches in everything that was said with anybody. */
export function SaidSearch({ search, onSearch }: Props) {
  const { t } = useI18n();
  const [asked] = useDebouncedValue(search.trim(), 250);
  // Of callers of whom nobody knows who they were: there is no history to go to.
  const [shown, setShown] = useState<{ entry: Interaction; place: Place } | null>(null);
  return (
    <>
      <TextInput
        id="customer-search"
        type="search"
        mb="sm"
        aria-label={t("search.everything")}
        placeholder={t("search.everything")}
        leftSection={<Icon name="search" />}
        value={search}
        maxLength={200}
        onChange={(event) => {
          setShown(null);
          onSearch(event.currentTarget.value);
        }}
        data-testid="said-search"
      />
      {shown !== null && (
        <Entry key={shown.entry.id} entry={shown.entry} place={shown.place} open onOpen={() => undefined} />
      )}
      {asked === "" ? (
        <Text c="dimmed" size="sm">
          {t("search.hint")}
        </Text>
      ) : (
        <SearchHits
          text={asked}
          customerId={null}
          channel={null}
          onChoose={({ interaction }, place) => {
            const { customer_id: customerId } = interaction;
            if (customerId === null) setShown({ entry: interaction, place });
            else go({ page: "customers", customerId, place });
          }}
        />
      )}
    </>
  );
}
