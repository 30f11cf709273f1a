import type { Transcript } from "../api";

export interface SpokenWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly confidence: number;
}

/** What one side said before the other one spoke or a pause came. Times in seconds. */
export interface Turn {
  readonly speaker: string;
  readonly start: number;
  readonly words: readonly SpokenWord[];
}

// Longer silences begin a new line, so that long messages can be read.
const PAUSE_S = 1.5;

/** The words of all channels in the order in which they were said, as turns of speech. */
export function turns(transcript: Transcript): Turn[] {
  const words = transcript.channels
    .flatMap(({ speaker, words: said }) => said.map((word) => ({ speaker, word })))
    .sort((a, b) => a.word.start_s - b.word.start_s);
  const found: { speaker: string; start: number; words: SpokenWord[] }[] = [];
  for (const { speaker, word } of words) {
    const spoken = { text: word.text, start: word.start_s, end: word.end_s, confidence: word.confidence };
    const turn = found.at(-1);
    const before = turn?.words.at(-1);
    if (turn?.speaker === speaker && before !== undefined && spoken.start - before.end < PAUSE_S) {
      turn.words.push(spoken);
    } else {
      found.push({ speaker, start: spoken.start, words: [spoken] });
    }
  }
  return found;
}
