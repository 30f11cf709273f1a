import { useAnnouncer } from "./announce";
import type { Task } from "./api";
import { useDial } from "./dial";
import { phone } from "./format";
import { useI18n } from "./i18n";
import { Icon } from "./icons";

interface Props {
  readonly value: string;
  /** What the number is called for. */
  readonly task?: Task | undefined;
}

/** A telephone number: pressed, it is called, or copied where nobody can dial. */
export function Number({ value, task }: Props) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const dial = useDial();
  const shown = phone(value);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      toast(t("number.copied", { number: shown }));
    } catch {
      toast(t("number.not_copied", { number: shown }), "bad");
    }
  };
  const label = t(dial === null ? "number.copy" : "number.dial", { number: shown });
  return (
    <button
      type="button"
      className="number"
      aria-label={label}
      title={label}
      onClick={() => {
        if (dial === null) void copy();
        else dial(value, task);
      }}
      data-testid="number"
      data-number={value}
    >
      {shown} <Icon name={dial === null ? "copy" : "phone"} size={13} />
    </button>
  );
}
