import { Button, Title } from "@mantine/core";
import { nameless } from "../../shared/customer/caller";
import { clockTime } from "../../shared/format";
import { secondsSince, useNow } from "../../shared/hooks";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { useLive } from "../../shared/live";
import type { LiveParked } from "../../shared/live";
import { pickUp, useAct } from "./act";

/** Callers who wait in parking slots, for whoever picks them up. Nothing when there are none. */
export function Parked() {
  const { t } = useI18n();
  const { centre } = useLive();
  const parked = Object.values(centre.parked).sort((one, other) => one.slot.localeCompare(other.slot));
  if (parked.length === 0) return null;
  return (
    <section className="card" data-testid="parked">
      <Title order={2} size="h4" mb="sm">
        {t("oncall.parked")}
      </Title>
      <ul className="parked">
        {parked.map((one) => (
          <Slot key={one.slot} parked={one} />
        ))}
      </ul>
    </section>
  );
}

function Slot({ parked }: { parked: LiveParked }) {
  const { t } = useI18n();
  const { centre } = useLive();
  const now = useNow();
  const { act, busy } = useAct();
  const { slot, caller, customer_name: name, since, by } = parked;
  const number = nameless(caller, t);
  const who = name === "" ? number : name;
  return (
    <li data-testid="parked-call" data-slot={slot}>
      <Icon name="parking" size={20} />
      <b className="figures">{slot}</b>
      <span>
        {who} {name !== "" && <span className="dimmed">{number}</span>}
      </span>
      <span className="dimmed small">
        {t("oncall.parked_by", { name: centre.agents[by]?.name ?? by })}{" "}
        <span className="figures">{clockTime(secondsSince(since, now))}</span>
      </span>
      <Button
        size="xs"
        aria-busy={busy}
        leftSection={<Icon name="phoneCall" size={15} />}
        aria-label={t("oncall.pick_up_who", { who, slot })}
        onClick={() => void act(() => pickUp(slot))}
        data-testid="pick-up"
      >
        {t("oncall.pick_up")}
      </Button>
    </li>
  );
}
