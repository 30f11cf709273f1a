import { useAnnouncer } from "./announce";
import { useDial } from "./dial";
import type { Dial } from "./dial";
import { phone } from "./format";
import { useI18n } from "./i18n";
import { Icon } from "./icons";

interface Props {
  readonly value: string;
  /** Another way to dial than the page's, for instance one that knows the task it is for. */
  readonly onDial?: Dial;
}

/** A telephone number: pressed, it is called, or copied where nobody can dial. */
export function Number({ value, onDial }: Props) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const ours = useDial();
  const dial = onDial ?? ours;
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
        else dial(value);
      }}
      data-testid="number"
      data-number={value}
    >
      {shown} <Icon name={dial === null ? "copy" : "phone"} size={13} />
    </button>
  );
}
