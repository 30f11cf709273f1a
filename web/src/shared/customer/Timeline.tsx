import { Button, Group, Skeleton, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Channel, Interaction } from "../api";
import { useI18n } from "../i18n";
import type { Key } from "../i18n";
import { Icon } from "../icons";
import type { IconName } from "../icons";
import { errorText } from "../messages";
import { useTimeline } from "../queries";
import { AddNote } from "./AddNote";
import { CHANNEL_ICONS } from "./channels";
import { Entry } from "./Entry";

const FILTERS: readonly Channel[] = ["call", "sms", "email", "chat", "voicemail", "note"];

interface Props {
  readonly customerId: string;
  /** What is known already, shown until the whole has come. */
  readonly first?: readonly Interaction[];
  /** The entry that is being written just now: it stands elsewhere on the page. */
  readonly except?: string | null;
}

/** What was said with a customer on every channel, newest first. */
export function Timeline({ customerId, first = [], except = null }: Props) {
  const { t } = useI18n();
  const [channel, setChannel] = useState<Channel | null>(null);
  const timeline = useTimeline(customerId, channel);
  const loaded = timeline.data?.pages.flatMap((page) => page.items);
  const known = channel === null ? first : first.filter((one) => one.channel === channel);
  const entries = (loaded ?? known).filter((one) => one.id !== except);

  return (
    <section className="card timeline" aria-labelledby="timeline-title" data-testid="timeline">
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
      {except === null && <AddNote customerId={customerId} />}
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
      <ol className="entries">
        {entries.map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
      </ol>
      {timeline.hasNextPage && (
        <Button
          variant="default"
          fullWidth
          loading={timeline.isFetchingNextPage}
          onClick={() => void timeline.fetchNextPage()}
        >
          {t("timeline.more")}
        </Button>
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
    >
      {props.icon === undefined ? label : <Icon name={props.icon} size={16} />}
    </button>
  );
}
