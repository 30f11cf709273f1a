import { TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { useI18n } from "../../shared/i18n";
import { KeyGrid, telephoneKey } from "../../shared/KeyGrid";
import { errorText } from "../../shared/messages";
import { useOrders } from "./act";
import { Refusal } from "./SendDialog";

/** Keys that the switchboard sends to whom one talks to. They go out in the order pressed. */
export function Keypad({ callId, onClose }: { callId: string; onClose: () => void }) {
  const { t } = useI18n();
  const [sent, setSent] = useState("");
  const [why, setWhy] = useState("");
  const { keys } = useOrders(callId);
  const last = useRef(Promise.resolve());

  const press = (key: string) => {
    setSent((before) => before + key);
    last.current = last.current.then(async () => {
      try {
        await keys(key);
        setWhy("");
      } catch (error) {
        setWhy(errorText(t, error));
      }
    });
  };
  return (
    <Dialog opened title={t("oncall.keypad")} onClose={onClose}>
      <TextInput
        label={t("oncall.keys_sent")}
        description={t("oncall.keys_hint")}
        value={sent}
        readOnly
        onKeyDown={(event) => {
          const key = telephoneKey(event);
          if (key === null) return;
          event.preventDefault();
          press(key);
        }}
        data-autofocus
        data-testid="keys-sent"
      />
      <KeyGrid onKey={press} testId="key" />
      <Refusal why={why} />
    </Dialog>
  );
}
