import { Popover } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { KeyGrid, telephoneKey } from "../../shared/KeyGrid";
import { usePhone } from "../../shared/phone";

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
  const press = useCallback(
    (key: string) => {
      order({ do: "keys", keys: key });
      setSent((before) => (before + key).slice(-16));
    },
    [order],
  );

  useEffect(() => {
    function typed(event: KeyboardEvent): void {
      const key = telephoneKey(event);
      if (key === null) return;
      event.preventDefault();
      press(key);
    }
    window.addEventListener("keydown", typed);
    return () => {
      window.removeEventListener("keydown", typed);
    };
  }, [press]);

  return (
    <div className="keypad">
      <output aria-label={t("phone.keys_sent")} data-testid="phone-keys-sent">
        {sent}
      </output>
      <KeyGrid onKey={press} testId="phone-key" />
    </div>
  );
}
