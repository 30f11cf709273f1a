import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { useAnnouncer } from "../../shared/announce";
import { clockTime } from "../../shared/format";
import { secondsSince, useNow } from "../../shared/hooks";
import { useI18n } from "../../shared/i18n";
import type { Key } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import type { IconName } from "../../shared/icons";
import type { LiveConversation } from "../../shared/live";
import { usePhone } from "../../shared/phone";
import { useShortcuts } from "../../shared/shortcuts";
import { useAct, useOrders } from "./act";
import type { Orders } from "./act";
import { Keypad } from "./Keypad";
import { SendDialog } from "./SendDialog";
import type { Way } from "./SendDialog";
import { silence, situation, thirdName } from "./words";

/** One thing that can be done now. */
interface Action {
  readonly id: string;
  readonly key: string;
  readonly label: Key;
  readonly icon: IconName;
  readonly kind?: "first" | "bad";
  readonly run: () => void;
}

/** What is going on in the conversation, and all that the agent can do with it. */
export function CallActions({ conversation }: { conversation: LiveConversation }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { state: phone } = usePhone();
  const { call_id: callId, agent_id: agentId } = conversation;
  const [sending, setSending] = useState<Way | null>(null);
  const [keypad, setKeypad] = useState(false);
  const { act, busy } = useAct();
  const inThisPage = phone.talk.kind === "talking" && phone.talk.callId === callId;
  const orders = useOrders(callId);

  const actions = useMemo(() => {
    const park = async () => {
      const { slot } = await orders.park();
      toast(t("oncall.parked_in", { slot }));
    };
    const does = (run: () => Promise<unknown>) => () => void act(run);
    const all = actionsFor(conversation, does, orders, park, setSending, () => {
      setKeypad(true);
    });
    // Where the page is the phone, its band hangs up.
    return inThisPage ? all.filter(({ id }) => id !== "hang-up") : all;
  }, [conversation, act, orders, toast, t, inThisPage]);
  useShortcuts(
    useMemo(() => Object.fromEntries(actions.map(({ key, run }) => [key, run])), [actions]),
  );
  const now = situation(conversation);
  const unheard = silence(conversation);
  return (
    <section
      className="card oncall"
      aria-label={t("oncall.title")}
      aria-busy={busy}
      data-testid="oncall"
      data-state={conversation.state}
      data-third={conversation.third?.state}
    >
      <div className="oncall-now">
        <p className="oncall-state" role="status" data-testid="oncall-state">
          <Icon name={now.icon} size={20} /> {t(now.key, { third: thirdName(conversation, t) })}
        </p>
        <Since time={conversation.third?.since ?? conversation.since} />
        <RecordingSign recording={conversation.recording} />
      </div>
      {unheard !== null && (
        <p className="oncall-unheard" role="alert" data-testid="oncall-unheard">
          <Icon name="alert" size={20} /> {t(unheard, { third: thirdName(conversation, t) })}
        </p>
      )}
      <div className="oncall-actions" role="group" aria-label={t("oncall.actions")}>
        {actions.map((action) => (
          <Button
            key={action.id}
            size="sm"
            variant={action.kind === "first" ? "filled" : "default"}
            className={action.kind === "bad" ? "bad" : undefined}
            leftSection={<Icon name={action.icon} />}
            aria-keyshortcuts={action.key}
            onClick={(event) => {
              // The second click of a double click is not meant for what the button does by then.
              if (event.detail < 2) action.run();
            }}
            data-testid={`oncall-${action.id}`}
          >
            {t(action.label)}
          </Button>
        ))}
      </div>
      {sending !== null && (
        <SendDialog
          callId={callId}
          agentId={agentId}
          way={sending}
          onWay={setSending}
          onClose={() => {
            setSending(null);
          }}
        />
      )}
      {keypad && (
        <Keypad
          callId={callId}
          onClose={() => {
            setKeypad(false);
          }}
        />
      )}
    </section>
  );
}

function Since({ time }: { time: string }) {
  const now = useNow();
  return <span className="figures dimmed">{clockTime(secondsSince(time, now))}</span>;
}

const RECORDING_ICONS: Record<LiveConversation["recording"], IconName> = {
  on: "record",
  paused: "pause",
  off: "recordOff",
};

function RecordingSign({ recording }: Pick<LiveConversation, "recording">) {
  const { t } = useI18n();
  return (
    <span className="oncall-recording" data-recording={recording} role="status" data-testid="recording-state">
      <Icon name={RECORDING_ICONS[recording]} size={16} /> {t(`oncall.recording.${recording}`)}
    </span>
  );
}

/** What can be done, the likeliest first. */
function actionsFor(
  { state, third, recording }: LiveConversation,
  does: (run: () => Promise<unknown>) => () => void,
  orders: Orders,
  park: () => Promise<void>,
  send: (way: Way) => void,
  openKeypad: () => void,
): Action[] {
  const hangUp: Action = {
    id: "hang-up", key: "x", label: "oncall.hang_up", icon: "phoneOff", kind: "bad",
    run: does(orders.hangUp),
  };
  if (state === "dialling") return [hangUp];
  const keypad: Action = {
    id: "keypad", key: "k", label: "oncall.keypad", icon: "keys", run: openKeypad,
  };
  const takeBack: Action = {
    id: "take-back", key: "b", label: "oncall.take_back", icon: "back", run: does(orders.cancel),
  };
  const complete: Action = {
    id: "complete", key: "e", label: "oncall.complete", icon: "give", run: does(orders.complete),
  };
  const sound = recordingAction(recording, does, orders);
  if (state === "conference") return [complete, takeBack, keypad, ...sound, hangUp];
  if (state === "consulting") {
    if (third?.state === "ringing") return [takeBack, keypad, ...sound, hangUp];
    const swap: Action = {
      id: "swap", key: "w", label: "oncall.swap", icon: "turns", run: does(orders.swap),
    };
    const confer: Action = {
      id: "confer", key: "j", label: "oncall.confer", icon: "users", run: does(orders.confer),
    };
    return [{ ...complete, kind: "first" }, swap, confer, takeBack, keypad, ...sound, hangUp];
  }
  const hold: Action =
    state === "held"
      ? {
          id: "resume", key: "h", label: "oncall.resume", icon: "play", kind: "first",
          run: does(orders.resume),
        }
      : { id: "hold", key: "h", label: "oncall.hold", icon: "pause", run: does(orders.hold) };
  return [
    hold,
    {
      id: "transfer", key: "t", label: "oncall.transfer", icon: "give",
      run: () => { send("transfer"); },
    },
    {
      id: "consult", key: "q", label: "oncall.consult", icon: "userQuestion",
      run: () => { send("consult"); },
    },
    { id: "park", key: "y", label: "oncall.park", icon: "parking", run: does(park) },
    keypad,
    ...sound,
    hangUp,
  ];
}

function recordingAction(
  recording: LiveConversation["recording"],
  does: (run: () => Promise<unknown>) => () => void,
  orders: Orders,
): Action[] {
  switch (recording) {
    case "off":
      return [];
    case "on":
      return [
        {
          id: "pause-recording", key: "r", label: "oncall.pause_recording", icon: "recordOff",
          run: does(orders.pauseRecording),
        },
      ];
    case "paused":
      return [
        {
          id: "resume-recording", key: "r", label: "oncall.resume_recording", icon: "record",
          kind: "first", run: does(orders.resumeRecording),
        },
      ];
  }
}
