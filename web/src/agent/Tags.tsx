import { TagsInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Interaction } from "../shared/api";
import { useI18n } from "../shared/i18n";
import { errorText } from "../shared/messages";
import { useChangeInteraction, useTags } from "../shared/queries";

/** Free words on a contact; those in use are suggested, so that one thing has one word. */
export function Tags({ interaction }: { interaction: Interaction | null }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search, 200);
  const { data: used } = useTags(asked);
  const change = useChangeInteraction(interaction?.id ?? null);
  const [chosen, setChosen] = useState<readonly string[] | null>(null);
  const save = async (tags: string[]) => {
    setChosen(tags);
    try {
      await change.mutateAsync({ tags });
    } catch (error) {
      toast(errorText(t, error), "bad");
    } finally {
      setChosen(null);
    }
  };
  return (
    <TagsInput
      label={t("contact.tags")}
      placeholder={t("contact.tags_hint")}
      disabled={interaction === null}
      value={[...(chosen ?? interaction?.tags ?? [])]}
      onChange={(tags) => void save(tags.map(tidy))}
      searchValue={search}
      onSearchChange={setSearch}
      data={used?.items.map((one) => one.tag) ?? []}
      maxTags={20}
      maxLength={40}
      splitChars={[","]}
      data-testid="wrap-up-tags"
    />
  );
}

/** As the server keeps it: shown at once as it will be. */
function tidy(tag: string): string {
  return tag.toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}
