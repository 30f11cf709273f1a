import { Text } from "@mantine/core";
import { useMemo } from "react";
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
      data-testid="transcript"
    >
      {spoken.length === 0 && <p>{transcript.text}</p>}
      {spoken.map((turn) => (
        <div className="turn" key={`${turn.speaker} ${String(turn.start)}`} data-speaker={turn.speaker}>
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
                data-now={(playing && word.start <= position && position < word.end) || undefined}
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
