import { useMemo } from "react";
import type { Recording } from "../api";
import { usePeaks } from "../queries";

// The drawing's own units; CSS gives it its size.
const HEIGHT = 60;

interface Props {
  readonly recording: Recording;
  readonly position: number;
  readonly length: number;
  readonly onSeek: (seconds: number) => void;
}

/**
 * How loud it is, the customer above and the agent below, and how far it has been played. A mouse's
 * short cut to what the slider does for everybody, and therefore hidden from screen readers.
 */
export function Waveform({ recording, position, length, onSeek }: Props) {
  const { data: peaks } = usePeaks(recording.id, true);
  const channels = peaks?.channels;
  const shape = useMemo(() => (channels === undefined ? null : outline(channels)), [channels]);
  if (shape === null || shape.width === 0) return <div className="waveform" aria-hidden="true" />;
  const played = length > 0 ? Math.min(1, position / length) : 0;
  return (
    <svg
      className="waveform"
      viewBox={`0 0 ${String(shape.width)} ${String(HEIGHT)}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      onPointerDown={(event) => {
        const { left, width } = event.currentTarget.getBoundingClientRect();
        onSeek(((event.clientX - left) / width) * length);
      }}
      data-testid="waveform"
    >
      <clipPath id={`played-${recording.id}`}>
        <rect x={0} y={0} width={shape.width * played} height={HEIGHT} />
      </clipPath>
      <path className="wave" d={shape.path} />
      <path className="wave-played" d={shape.path} clipPath={`url(#played-${recording.id})`} />
      <line x1={shape.width * played} x2={shape.width * played} y1={0} y2={HEIGHT} className="wave-now" />
    </svg>
  );
}

/** One outline: up is the first channel, down the second, or the same one mirrored. */
export function outline(channels: readonly (readonly number[])[]): { path: string; width: number } {
  const [first = [], second = first] = channels;
  const width = first.length;
  // Phones are quiet: the loudest place fills the height.
  const loudest = Math.max(1, ...first, ...second);
  const y = (level: number, down: boolean) => {
    const size = Math.max(0.5, (level / loudest) * (HEIGHT / 2 - 1));
    return (HEIGHT / 2 + (down ? size : -size)).toFixed(1);
  };
  const above = first.map((level, x) => `${String(x)},${y(level, false)}`);
  const below = second.map((level, x) => `${String(x)},${y(level, true)}`).reverse();
  return { path: width === 0 ? "" : `M${above.join("L")}L${below.join("L")}Z`, width };
}
