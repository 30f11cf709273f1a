import { Button, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { useI18n } from "../../shared/i18n";
import { refusal, useOrders } from "./act";
import { Refusal } from "./SendDialog";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

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
        setWhy(refusal(t, error));
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
          if (event.ctrlKey || event.altKey || event.metaKey || !KEYS.includes(event.key)) return;
          event.preventDefault();
          press(event.key);
        }}
        data-autofocus
        data-testid="keys-sent"
      />
      <div className="keypad">
        {KEYS.map((key) => (
          <Button
            key={key}
            variant="default"
            size="lg"
            onClick={() => {
              press(key);
            }}
            data-testid={`key-${key === "*" ? "star" : key === "#" ? "hash" : key}`}
          >
            {key}
          </Button>
        ))}
      </div>
      <Refusal why={why} />
    </Dialog>
  );
}
