import { Badge, Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { memo, useState } from "react";
import type { Interaction } from "../api";
import { duration, fullMoment, moment } from "../format";
import { useNow } from "../hooks";
import { textOr, useI18n } from "../i18n";
import { Icon } from "../icons";
import type { IconName } from "../icons";
import { agentsQuery, queuesQuery, useCall } from "../queries";
import type { Place } from "../route";
import { CallSound } from "./CallSound";
import { HowFar, WhyNotSent } from "./Sending";
import { Path, readable } from "./Path";
import { CHANNEL_ICONS } from "./channels";

// More than this of a message is folded away.
const FOLDED = 320;

interface Props {
  readonly entry: Interaction;
  /** Where a search led, when it led to this entry. */
  readonly place?: Place | null;
  /** The beginning of what was said, where it is known before the call is unfolded. */
  readonly said?: string;
  /** Whether it is unfolded, and how it becomes so: the list knows, as it forgets what is out of sight. */
  readonly open: boolean;
  readonly onOpen: (id: string, open: boolean) => void;
}

/** One entry of a timeline; a call opens to its recording, its words and its way. */
export const Entry = memo(function Entry({ entry, place = null, said = "", open, onOpen }: Props) {
  const { t, language } = useI18n();
  const now = useNow(30_000);
  const [whole, setWhole] = useState(place !== null);
  const { data: agents } = useQuery(agentsQuery);
  const { call } = entry;
  const agent = agents?.items.find((one) => one.id === entry.agent_id)?.name ?? null;
  const folded = !whole && entry.body.length > FOLDED;
  const made = call !== null && entry.direction === "out";
  const hasDetails = call !== null && (made || entry.recording_ids.length > 0 || call.path.length > 0);

  return (
    <article
      className="entry"
      data-testid="timeline-entry"
      data-channel={entry.channel}
      data-found={place !== null || undefined}
      aria-current={place !== null || undefined}
    >
      <span className="entry-icon" data-channel={entry.channel} data-direction={entry.direction}>
        <Icon name={entryIcon(entry)} size={17} />
      </span>
      <div className="entry-main">
        <div className="entry-head">
          <span className="entry-what">
            {t(`channel.${entry.channel}`)}
            {entry.channel !== "note" && (
              <span className="dimmed"> {t(`direction.${entry.direction}`)}</span>
            )}
          </span>
          {call !== null && (
            <Badge
              variant="light"
              size="sm"
              color={call.outcome === "abandoned" || call.outcome === "failed" ? "red" : "gray"}
            >
              {call.outcome === null ? t("outcome.live") : t(`outcome.${call.outcome}`)}
            </Badge>
          )}
          {entry.disposition !== "" && (
            <Badge variant="light" size="sm" leftSection={<Icon name="tag" size={11} />}>
              {readable(entry.disposition)}
            </Badge>
          )}
          {entry.tags.map((tag) => (
            <Badge key={tag} variant="outline" color="gray" size="sm">
              {tag}
            </Badge>
          ))}
          {entry.sending !== null && <HowFar sending={entry.sending} />}
          <time dateTime={entry.started_at} title={fullMoment(entry.started_at, language)}>
            {moment(entry.started_at, language, now)}
          </time>
        </div>
        {entry.subject !== "" && <div className="entry-subject">{entry.subject}</div>}
        {entry.body !== "" && (
          <p className="entry-body">
            {folded ? `${entry.body.slice(0, FOLDED).trimEnd()}…` : entry.body}
          </p>
        )}
        {folded && (
          <Button
            variant="subtle"
            size="compact-xs"
            onClick={() => {
              setWhole(true);
            }}
          >
            {t("timeline.whole")}
          </Button>
        )}
        {entry.sending !== null && <WhyNotSent sending={entry.sending} />}
        {said !== "" && !open && (
          <p className="entry-body entry-said">
            <span className="dimmed">{t("transcript.title")}:</span> {said}
          </p>
        )}
        {entry.notes !== "" && (
          <p className="entry-notes">
            <Icon name="pencil" size={14} /> {entry.notes}
          </p>
        )}
        {call !== null && <Figures entry={entry} agent={agent} />}
        {call === null && agent !== null && (
          <Text size="xs" c="dimmed">
            {agent}
          </Text>
        )}
        {hasDetails && (
          <Button
            variant="subtle"
            size="compact-sm"
            mt={4}
            aria-expanded={open}
            leftSection={<Icon name={open ? "chevronDown" : "chevronRight"} size={15} />}
            onClick={() => {
              onOpen(entry.id, !open);
            }}
            data-testid="entry-details"
          >
            {entry.recording_ids.length > 0 ? t("tasks.listen") : t("timeline.details")}
          </Button>
        )}
        {open && call !== null && (
          <div className="entry-details">
            {made && <MadeFor callId={call.call_id} />}
            {entry.recording_ids.length > 0 && <CallSound callId={call.call_id} place={place} />}
            {call.path.length > 0 && <Path steps={call.path} />}
            <Text size="xs" c="dimmed">
              {textOr(t, "ended.", call.ended_by)}
            </Text>
          </div>
        )}
      </div>
    </article>
  );
});

/** The task for which an agent called, where there was one. */
function MadeFor({ callId }: { callId: string }) {
  const { t, language } = useI18n();
  const now = useNow(30_000);
  const { data } = useCall(callId);
  const task = data?.task ?? null;
  if (task === null) return null;
  return (
    <Text size="sm" data-testid="entry-task">
      <Icon name="inbox" size={14} />{" "}
      {t(task.state === "done" ? "timeline.task_done" : "timeline.task", {
        what: t(`tasks.kind.${task.kind}`),
        when: moment(task.due_at ?? task.created_at, language, now),
      })}
      {task.text !== "" && <span className="dimmed"> · {task.text}</span>}
    </Text>
  );
}

function Figures({ entry, agent }: { entry: Interaction; agent: string | null }) {
  const { t } = useI18n();
  const { data: queues } = useQuery(queuesQuery);
  const { data: agents } = useQuery(agentsQuery);
  if (entry.call === null) return null;
  const titled = (id: string) => queues?.items.find((one) => one.id === id)?.title ?? id;
  const named = (id: string) => agents?.items.find((one) => one.id === id)?.name ?? agent ?? id;
  const figures = [
    ...entry.call.waits.map((wait) =>
      t("timeline.waited", { time: duration(wait.waited_s), queue: titled(wait.queue_id) }),
    ),
    ...entry.call.talks.map((talk) =>
      t("timeline.talked", { time: duration(talk.talked_s), agent: named(talk.agent_id) }),
    ),
  ];
  if (figures.length === 0) return null;
  return (
    <Text size="xs" c="dimmed">
      {figures.join(" · ")}
    </Text>
  );
}

function entryIcon(entry: Interaction): IconName {
  if (entry.channel !== "call") return CHANNEL_ICONS[entry.channel];
  if (entry.call?.outcome === "voicemail") return "voicemail";
  if (entry.call?.outcome === "abandoned" || entry.call?.outcome === "failed") return "phoneOff";
  return entry.direction === "out" ? "phoneOut" : "phoneIn";
}
