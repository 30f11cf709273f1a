import type { LiveTranscript } from "./state";

export type Saying = LiveTranscript["sayings"][number];

/** As many as the server keeps of a call. */
export const MOST_SAYINGS = 400;

/** The transcript with what is known of one saying now; without text it was nothing after all. */
export function withSaying(transcript: LiveTranscript, saying: Saying): LiveTranscript {
  const place = transcript.sayings.findLastIndex((one) => one.number === saying.number);
  const here = saying.text === "" ? [] : [saying];
  const sayings =
    place < 0
      ? [...transcript.sayings, ...here]
      : transcript.sayings.toSpliced(place, 1, ...here);
  const over = sayings.length - MOST_SAYINGS;
  return over > 0
    ? { ...transcript, sayings: sayings.slice(over), cut: true }
    : { ...transcript, sayings };
}

/**
 * What a screen reader is told: the last that somebody has finished saying; to the agent not the own
 * words.
 */
export function lastHeard(sayings: readonly Saying[], own: boolean): Saying | null {
  return sayings.findLast((one) => one.final && !(own && one.speaker === "agent")) ?? null;
}
