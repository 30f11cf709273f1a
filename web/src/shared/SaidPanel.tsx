import { Button } from "@mantine/core";
import { useLayoutEffect, useRef, useState } from "react";
import { clockTime } from "./format";
import { useI18n } from "./i18n";
import { Icon } from "./icons";
import type { IconName } from "./icons";
import type { LiveTranscript } from "./live";
import { lastHeard } from "./live/transcript";
import type { Saying } from "./live/transcript";

const SIGNS: Record<LiveTranscript["hearing"], IconName> = {
  starting: "hourglass",
  busy: "alert",
  interrupted: "alert",
  listening: "microphone",
  waiting: "pause",
  paused: "pause",
  not_recorded: "microphoneOff",
  no_model: "microphoneOff",
};
// Who is this near to the end, in pixels, reads the newest and wants to go on doing so.
const NEAR = 24;

interface Props {
  readonly transcript: LiveTranscript;
  /** What the panel is called, where there may be several. */
  readonly title?: string;
  /** Whether the reader is the agent, who hears the own words anyway. */
  readonly own: boolean;
}

/** What both sides say, as it is heard. */
export function SaidPanel({ transcript, title, own }: Props) {
  const { t } = useI18n();
  const { hearing, sayings } = transcript;
  const box = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  };
  // Whoever has scrolled up to read is left there.
  useLayoutEffect(() => {
    if (!away) toEnd();
  }, [sayings, away]);
  const heard = lastHeard(sayings, own);

  return (
    <section
      className="card live-transcript"
      aria-label={title ?? t("oncall.live.title")}
      data-testid="live-transcript"
      data-hearing={hearing}
    >
      <div className="live-head">
        <h2>{title ?? t("oncall.live.title")}</h2>
        <p role="status" data-testid="live-hearing">
          <Icon name={SIGNS[hearing]} size={16} /> {t(`oncall.live.hearing.${hearing}`)}
        </p>
      </div>
      <div
        className="live-said"
        role="log"
        aria-live="off"
        aria-label={t("oncall.live.said")}
        tabIndex={0}
        ref={box}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          setAway(scrollHeight - scrollTop - clientHeight > NEAR);
        }}
      >
        {transcript.cut && <p className="dimmed">{t("oncall.live.cut")}</p>}
        {sayings.length === 0 && <p className="dimmed">{t("oncall.live.nothing")}</p>}
        <ol lang={transcript.language}>
          {sayings.map((saying) => (
            <Line key={saying.number} saying={saying} />
          ))}
        </ol>
      </div>
      <div className="live-foot">
        <span className="dimmed">{t("oncall.live.hint")}</span>
        {away && (
          <Button
            size="compact-sm"
            variant="light"
            leftSection={<Icon name="chevronDown" size={15} />}
            onClick={toEnd}
            data-testid="live-newest"
          >
            {t("oncall.live.newest")}
          </Button>
        )}
      </div>
      <div className="spoken" aria-live="polite" data-testid="live-spoken">
        {heard !== null && (
          <>
            {t(`oncall.live.speaker.${heard.speaker}`)}: <span lang={transcript.language}>{heard.text}</span>
          </>
        )}
      </div>
    </section>
  );
}

function Line({ saying }: { saying: Saying }) {
  const { t, language } = useI18n();
  return (
    <li data-speaker={saying.speaker} data-final={saying.final} data-testid="live-saying">
      <span className="live-who" lang={language}>
        {t(`oncall.live.speaker.${saying.speaker}`)} <time>{clockTime(saying.at_s)}</time>
        {!saying.final && <span className="live-provisional"> {t("oncall.live.provisional")}</span>}
      </span>
      <span className="live-text">
        {saying.text}
        {!saying.final && "…"}
      </span>
    </li>
  );
}
