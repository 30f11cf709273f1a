import { Popover } from "@mantine/core";
import { useEffect, useState } from "react";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { usePhone } from "../../shared/phone";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"] as const;

interface Props {
  readonly opened: boolean;
  readonly onChange: (opened: boolean) => void;
}

/** The phone's keys: pressed with the mouse, or typed while they are open. */
export function Keypad({ opened, onChange }: Props) {
  const { t } = useI18n();
  return (
    <Popover opened={opened} onChange={onChange} position="bottom" trapFocus withinPortal returnFocus>
      <Popover.Target>
        <button
          type="button"
          className="band-action"
          onClick={() => {
            onChange(!opened);
          }}
          data-testid="phone-keys"
        >
          <Icon name="dialpad" size={20} />
          <span>{t("phone.keys")}</span>
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <Keys />
      </Popover.Dropdown>
    </Popover>
  );
}

function Keys() {
  const { t } = useI18n();
  const { order } = usePhone();
  const [sent, setSent] = useState("");
  const press = (key: string) => {
    order({ do: "keys", keys: key });
    setSent((before) => (before + key).slice(-16));
  };

  useEffect(() => {
    function typed(event: KeyboardEvent): void {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (!KEYS.some((key) => key === event.key)) return;
      event.preventDefault();
      order({ do: "keys", keys: event.key });
      setSent((before) => (before + event.key).slice(-16));
    }
    window.addEventListener("keydown", typed);
    return () => {
      window.removeEventListener("keydown", typed);
    };
  }, [order]);

  return (
    <div className="keypad">
      <output aria-label={t("phone.keys_sent")} data-testid="phone-keys-sent">
        {sent}
      </output>
      <div className="keypad-keys">
        {KEYS.map((key) => (
          <button
            key={key}
            type="button"
            onClick={() => {
              press(key);
            }}
            data-testid={`phone-key-${key === "*" ? "star" : key === "#" ? "hash" : key}`}
          >
            {key}
          </button>
        ))}
      </div>
    </div>
  );
}
