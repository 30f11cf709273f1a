import { useMemo, useState } from "react";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import type { IconName } from "../../shared/icons";
import { usePhone } from "../../shared/phone";
import { useShortcuts } from "../../shared/shortcuts";
import { Keypad } from "./Keypad";

interface PhoneActionsProps {
  readonly callId: string;
  /** Whether hold and keys stand elsewhere on the page, with all that the server can do. */
  readonly served?: boolean;
}

/** What the page, as a phone, can do with this call. Nothing when another phone has it. */
export function PhoneActions({ callId, served = false }: PhoneActionsProps) {
  const { t } = useI18n();
  const { state, order } = usePhone();
  const { talk } = state;
  const [keypad, setKeypad] = useState(false);
  // Without a connection there is nobody to ask for another way.
  const mending = state.link.kind === "registered";
  const ours = talk.kind !== "none" && talk.callId === callId;

  useShortcuts(
    useMemo(() => {
      if (!ours) return {};
      if (talk.kind === "ringing") {
        return {
          c: () => {
            order({ do: "answer" });
          },
          x: () => {
            order({ do: "reject" });
          },
        };
      }
      if (talk.kind !== "talking") return {};
      return {
        x: () => {
          order({ do: "hang_up" });
        },
        m: () => {
          order({ do: "mute", on: !talk.muted });
        },
        ...(!served && {
          h: () => {
            order({ do: "hold", on: !talk.held });
          },
          k: () => {
            setKeypad(true);
          },
        }),
      };
    }, [ours, talk, order, served]),
  );

  if (!ours) return null;
  switch (talk.kind) {
    case "ringing":
      return (
        <>
          <Action
            kind="good"
            icon="phone"
            testId="phone-answer"
            onClick={() => {
              order({ do: "answer" });
            }}
          >
            {t("phone.answer")}
          </Action>
          <Action
            kind="bad"
            icon="phoneOff"
            testId="phone-reject"
            onClick={() => {
              order({ do: "reject" });
            }}
          >
            {t("phone.reject")}
          </Action>
        </>
      );
    case "answering":
      return <span role="status">{t("phone.answering")}</span>;
    default:
      return (
        <>
          {!talk.flows && (
            <span className="band-warning" role="status" data-testid="phone-no-audio">
              <Icon name="wifiOff" /> {t(mending ? "phone.mending" : "phone.no_audio")}
            </span>
          )}
          <Action
            icon={talk.muted ? "microphoneOff" : "microphone"}
            pressed={talk.muted}
            testId="phone-mute"
            onClick={() => {
              order({ do: "mute", on: !talk.muted });
            }}
          >
            {t(talk.muted ? "phone.unmute" : "phone.mute")}
          </Action>
          {(!served || talk.held) && (
            <Action
              icon={talk.held ? "play" : "pause"}
              pressed={talk.held}
              testId="phone-hold"
              onClick={() => {
                order({ do: "hold", on: !talk.held });
              }}
            >
              {t(talk.held ? "phone.resume" : "phone.hold")}
            </Action>
          )}
          {!served && <Keypad opened={keypad} onChange={setKeypad} />}
          <Action
            kind="bad"
            icon="phoneOff"
            testId="phone-hang-up"
            onClick={() => {
              order({ do: "hang_up" });
            }}
          >
            {t("phone.hang_up")}
          </Action>
        </>
      );
  }
}

interface ActionProps {
  readonly icon: IconName;
  readonly kind?: "good" | "bad" | "plain";
  readonly pressed?: boolean;
  readonly testId: string;
  readonly onClick: () => void;
  readonly children: string;
}

/** One button of the band: a sign and a word. */
export function Action({ icon, kind = "plain", pressed, testId, onClick, children }: ActionProps) {
  return (
    <button
      type="button"
      className="band-action"
      data-kind={kind}
      aria-pressed={pressed}
      onClick={onClick}
      data-testid={testId}
    >
      <Icon name={icon} size={20} />
      <span>{children}</span>
    </button>
  );
}
