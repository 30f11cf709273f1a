import { Text } from "@mantine/core";
import { useEffect, useMemo, useRef } from "react";
import type { Transcript } from "../api";
import { clockTime } from "../format";
import { textOr, useI18n } from "../i18n";
import { turns } from "./transcript";

// Below this the recogniser was more guessing than hearing.
const UNSURE = 0.6;

interface Props {
  readonly transcript: Transcript | null;
  /** Where the player is, in seconds. */
  readonly position: number;
  readonly playing: boolean;
  readonly onJump: (seconds: number) => void;
}

/** Who said what, in order. A word leads to its sound; keyboards reach each turn by its time. */
export function TranscriptView({ transcript, position, playing, onJump }: Props) {
  const { t } = useI18n();
  const spoken = useMemo(() => (transcript === null ? [] : turns(transcript)), [transcript]);
  const box = useRef<HTMLDivElement>(null);
  const begun = playing || position > 0;
  const current = begun ? spoken.findLastIndex((turn) => turn.start <= position) : -1;
  // The lines go along with the sound, within their own box: the page itself stays where it is.
  useEffect(() => {
    const line = box.current?.querySelector<HTMLElement>(`[data-turn="${String(current)}"]`);
    if (line == null || box.current === null) return;
    const { offsetTop: top, offsetHeight: height } = line;
    const { scrollTop, clientHeight } = box.current;
    if (top < scrollTop || top + height > scrollTop + clientHeight) {
      box.current.scrollTop = Math.max(0, top - clientHeight / 3);
    }
  }, [current]);
  if (transcript === null || (spoken.length === 0 && transcript.text === "")) {
    return (
      <Text size="sm" c="dimmed" mt="xs">
        {t("transcript.none")}
      </Text>
    );
  }
  return (
    <div
      className="transcript"
      role="group"
      aria-label={t("transcript.title")}
      lang={transcript.language || undefined}
      ref={box}
      tabIndex={0}
      data-testid="transcript"
    >
      {spoken.length === 0 && <p>{transcript.text}</p>}
      {spoken.map((turn, number) => (
        <div
          className="turn"
          key={`${turn.speaker} ${String(turn.start)}`}
          data-speaker={turn.speaker}
          data-turn={number}
          data-current={number === current || undefined}
        >
          <button
            type="button"
            className="turn-time"
            aria-label={t("transcript.jump", { time: clockTime(turn.start) })}
            onClick={() => {
              onJump(turn.start);
            }}
          >
            {clockTime(turn.start)}
          </button>
          <span className="turn-speaker">{textOr(t, "transcript.", turn.speaker)}</span>
          <p>
            {turn.words.map((word, place) => (
              // A mouse's short cut to what the turn's button does for everybody.
              <span
                key={place}
                className="word"
                data-unsure={word.confidence < UNSURE || undefined}
                data-now={(begun && word.start <= position && position < word.end) || undefined}
                data-start={word.start}
                title={
                  word.confidence < UNSURE
                    ? t("transcript.unsure", { percent: Math.round(word.confidence * 100) })
                    : undefined
                }
                onClick={() => {
                  onJump(word.start);
                }}
              >
                {word.text}{" "}
              </span>
            ))}
          </p>
        </div>
      ))}
    </div>
  );
}
