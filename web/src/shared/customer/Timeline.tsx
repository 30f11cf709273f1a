import { Button, Group, Skeleton, Text, TextInput, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import type { Channel, Interaction } from "../api";
import { useI18n } from "../i18n";
import type { Key } from "../i18n";
import { Icon } from "../icons";
import type { IconName } from "../icons";
import { errorText } from "../messages";
import { useTimeline } from "../queries";
import type { Place } from "../route";
import { AddNote } from "./AddNote";
import { CHANNEL_ICONS } from "./channels";
import { Entries } from "./Entries";
import { SearchHits } from "./SearchHits";
import { WatchMessages } from "./Sending";

const FILTERS: readonly Channel[] = ["call", "sms", "email", "chat", "voicemail", "note"];

interface Props {
  readonly customerId: string;
  /** What is known already, shown until the whole has come. */
  readonly first?: readonly Interaction[];
  /** The beginning of what was said in calls, by entry. */
  readonly said?: Readonly<Record<string, string>>;
  /** The entry that is being written just now: it stands elsewhere on the page. */
  readonly except?: string | null;
  /** Where a search led: the list begins there. */
  readonly place?: Place | null;
}

/** What was said with a customer on every channel, newest first; and a search in it. */
export function Timeline({ customerId, first = [], said = {}, except = null, place: given = null }: Props) {
  const { t } = useI18n();
  const [channel, setChannel] = useState<Channel | null>(null);
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search.trim(), 250);
  // A hit on this very page is gone to without leaving the page, which may be a call's.
  const [gone, setGone] = useState<{ from: Place | null; to: Place | null } | null>(null);
  const place = gone !== null && gone.from === given ? gone.to : given;
  const timeline = useTimeline(customerId, channel, place?.entry ?? null);
  const loaded = timeline.data?.pages.flatMap((page) => page.items);
  const known = channel === null && place === null ? first : [];
  const entries = (loaded ?? known).filter((one) => one.id !== except);
  const searching = asked !== "" && search.trim() !== "";

  return (
    <section className="card timeline" aria-labelledby="timeline-title" data-testid="timeline">
      <WatchMessages customerId={customerId} />
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2} size="h4" id="timeline-title">
          {t("timeline.title")}
        </Title>
        <div className="filters" role="group" aria-label={t("timeline.filter")}>
          <Filter label="timeline.all" on={channel === null} onClick={setChannel} channel={null} />
          {FILTERS.map((one) => (
            <Filter
              key={one}
              label={`channel.${one}`}
              icon={CHANNEL_ICONS[one]}
              channel={one}
              on={channel === one}
              onClick={setChannel}
            />
          ))}
        </div>
      </Group>
      <TextInput
        type="search"
        size="sm"
        mb="sm"
        aria-label={t("search.history")}
        placeholder={t("search.history")}
        leftSection={<Icon name="search" size={16} />}
        value={search}
        maxLength={200}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") setSearch("");
        }}
        data-testid="timeline-search"
      />
      {searching ? (
        <SearchHits
          text={asked}
          customerId={customerId}
          channel={channel}
          except={except}
          onChoose={(_, to) => {
            setGone({ from: given, to });
            setChannel(null);
            setSearch("");
          }}
        />
      ) : (
        <>
          {except === null && <AddNote customerId={customerId} />}
          {place !== null && (
            <Button
              variant="light"
              size="compact-sm"
              mb="sm"
              leftSection={<Icon name="history" size={15} />}
              onClick={() => {
                setGone({ from: given, to: null });
              }}
              data-testid="timeline-newest"
            >
              {t("timeline.newest")}
            </Button>
          )}
          {timeline.error !== null && (
            <Text role="alert" size="sm" c="red">
              {errorText(t, timeline.error)}
            </Text>
          )}
          {loaded === undefined && entries.length === 0 && timeline.error === null && (
            <>
              <Skeleton height={56} mb="sm" />
              <Skeleton height={56} mb="sm" />
            </>
          )}
          {loaded !== undefined && entries.length === 0 && (
            <Text c="dimmed" size="sm">
              {t(channel === null ? "timeline.empty" : "timeline.empty_channel")}
            </Text>
          )}
          <Entries
            key={`${channel ?? ""} ${place?.entry ?? ""} ${String(place?.at ?? "")}`}
            entries={entries}
            place={place}
            said={said}
            more={timeline.hasNextPage && !timeline.isFetchNextPageError}
            loading={timeline.isFetchingNextPage}
            onMore={() => void timeline.fetchNextPage()}
          />
        </>
      )}
    </section>
  );
}

function Filter(props: {
  label: Key;
  icon?: IconName;
  channel: Channel | null;
  on: boolean;
  onClick: (channel: Channel | null) => void;
}) {
  const { t } = useI18n();
  const label = t(props.label);
  return (
    <button
      type="button"
      className="filter"
      aria-pressed={props.on}
      title={label}
      aria-label={label}
      onClick={() => {
        props.onClick(props.channel);
      }}
      data-channel={props.channel ?? "all"}
    >
      {props.icon === undefined ? label : <Icon name={props.icon} size={16} />}
    </button>
  );
}
