import { ActionIcon, Button, Slider, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import type { Recording, Transcript } from "../api";
import { clockTime } from "../format";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { TranscriptView } from "./TranscriptView";
import { Waveform } from "./Waveform";

const SPEEDS = [1, 1.25, 1.5, 2] as const;
const JUMP_S = 5;

interface Props {
  readonly recording: Recording;
  readonly transcript: Transcript | null;
  /** The second to begin at: where a search found a word. */
  readonly start?: number | null;
}

/**
 * A recording that can be heard, its waveform and its words: each leads to its place in the others.
 * Within the player K (or blank) plays and pauses, J and L (or the arrows) go back and on.
 */
export function Player({ recording, transcript, start = null }: Props) {
  const { t } = useI18n();
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [position, setPosition] = useState(start ?? 0);
  const [length, setLength] = useState(recording.duration_s);
  const [speed, setSpeed] = useState<number>(1);
  const [failed, setFailed] = useState(false);

  // `timeupdate` comes four times a second: too rarely for the words to light up in time.
  useEffect(() => {
    if (!playing) return undefined;
    let frame = requestAnimationFrame(function follow() {
      if (audio.current !== null) setPosition(audio.current.currentTime);
      frame = requestAnimationFrame(follow);
    });
    return () => {
      cancelAnimationFrame(frame);
    };
  }, [playing]);

  function seek(seconds: number): void {
    const to = Math.min(Math.max(0, seconds), length);
    if (audio.current !== null) audio.current.currentTime = to;
    setPosition(to);
  }

  function play(from?: number): void {
    if (audio.current === null) return;
    if (from !== undefined) seek(from);
    audio.current.playbackRate = speed;
    audio.current.play().catch(() => {
      setPlaying(false);
    });
  }

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { target } = event;
    // A slider has arrows of its own, a button its blank.
    const inSlider = target instanceof HTMLElement && target.closest("[role=slider]") !== null;
    const inButton = target instanceof HTMLElement && target.closest("button") !== null;
    const toggle = () => {
      if (playing) audio.current?.pause();
      else play();
    };
    const keys: Record<string, (() => void) | undefined> = {
      k: toggle,
      j: () => {
        seek(position - JUMP_S);
      },
      l: () => {
        seek(position + JUMP_S);
      },
      ...(inButton ? {} : { " ": toggle }),
      ...(inSlider
        ? {}
        : {
            ArrowLeft: () => {
              seek(position - JUMP_S);
            },
            ArrowRight: () => {
              seek(position + JUMP_S);
            },
          }),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };

  const audible = recording.available && recording.audible && !failed;
  const title = t(recording.kind === "voicemail" ? "player.voicemail" : "player.conversation");
  return (
    <div
      className="player"
      role="group"
      aria-label={title}
      onKeyDown={audible ? onKeyDown : undefined}
      data-testid="recording-player"
    >
      {audible && <Waveform recording={recording} position={position} length={length} onSeek={seek} />}
      {!audible ? (
        <Text size="sm" c="dimmed" role={failed ? "alert" : undefined}>
          {t(failed ? "player.failed" : recording.available ? "player.others" : "player.gone")}
        </Text>
      ) : (
        <div className="player-bar">
          <audio
            ref={audio}
            src={recording.audio}
            preload="metadata"
            onPlay={() => {
              setPlaying(true);
            }}
            onPause={() => {
              setPlaying(false);
            }}
            onEnded={() => {
              setPlaying(false);
            }}
            onSeeked={(event) => {
              setPosition(event.currentTarget.currentTime);
            }}
            onLoadedMetadata={(event) => {
              if (start !== null) event.currentTarget.currentTime = start;
            }}
            onDurationChange={(event) => {
              const { duration } = event.currentTarget;
              if (Number.isFinite(duration)) setLength(duration);
            }}
            onError={() => {
              setFailed(true);
            }}
          />
          <ActionIcon
            variant="filled"
            radius="xl"
            size="lg"
            aria-label={t(playing ? "player.pause" : "player.play")}
            onClick={() => {
              if (playing) audio.current?.pause();
              else play();
            }}
            data-testid="player-play"
          >
            <Icon name={playing ? "pause" : "play"} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t("player.back")}
            onClick={() => {
              seek(position - JUMP_S);
            }}
          >
            <Icon name="back" />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t("player.forward")}
            onClick={() => {
              seek(position + JUMP_S);
            }}
          >
            <Icon name="forward" />
          </ActionIcon>
          <Slider
            className="player-slider"
            size="sm"
            min={0}
            max={Math.max(length, 0.1)}
            step={0.1}
            value={Math.min(position, length)}
            onChange={seek}
            label={clockTime}
            thumbLabel={t("player.position")}
          />
          <span className="player-time" data-testid="player-time">
            {clockTime(position)} / {clockTime(length)}
          </span>
          <Button
            variant="subtle"
            color="gray"
            size="compact-sm"
            aria-label={`${t("player.speed")}: ${String(speed)}×`}
            onClick={() => {
              const next = SPEEDS[(SPEEDS.findIndex((one) => one === speed) + 1) % SPEEDS.length] ?? 1;
              setSpeed(next);
              if (audio.current !== null) audio.current.playbackRate = next;
            }}
          >
            {speed}×
          </Button>
        </div>
      )}
      <TranscriptView transcript={transcript} position={position} playing={playing} onJump={play} />
    </div>
  );
}
