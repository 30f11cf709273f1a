import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { phone } from "../../shared/format";
import type { Translate } from "../../shared/i18n";
import { useI18n } from "../../shared/i18n";
import type { IconName } from "../../shared/icons";
import { useLive } from "../../shared/live";
import { flowsQuery } from "../../shared/queries";
import { useAct, useOrders } from "./act";
import type { Consulted } from "./act";
import { keyOf, placesFor, targetOf } from "./directory";
import type { Place } from "./directory";
import { Picker } from "./Picker";

export type Way = "transfer" | "consult";

const ICONS: Record<Place["kind"], IconName> = {
  number: "phoneOut",
  agent: "headset",
  queue: "users",
  voicemail: "voicemail",
  flow: "robot",
};

interface Props {
  readonly callId: string;
  readonly agentId: string;
  readonly way: Way;
  readonly onWay: (way: Way) => void;
  readonly onClose: () => void;
}

/** Where a caller is to go, at once or after a word with whoever is there. */
export function SendDialog({ callId, agentId, way, onWay, onClose }: Props) {
  const { t } = useI18n();
  const { centre } = useLive();
  const { data: flows } = useQuery(flowsQuery);
  const [typed, setTyped] = useState("");
  const [why, setWhy] = useState("");
  const { act, busy } = useAct(setWhy);
  const orders = useOrders(callId);

  const directory = {
    agents: Object.values(centre.agents),
    queues: Object.values(centre.queues),
    flows: flows?.items.filter((flow) => flow.published).map((flow) => flow.id) ?? [],
    own: agentId,
  };
  const places = placesFor(directory, typed, way === "consult");
  const send = async (key: string) => {
    const place = places.find((one) => keyOf(one) === key);
    if (place === undefined) return;
    const target = targetOf(place);
    setWhy("");
    const done = await act(() =>
      way === "consult" && canTalk(target) ? orders.consult(target) : orders.transfer(target),
    );
    if (done) onClose();
  };

  return (
    <Dialog opened title={t(`oncall.${way}`)} onClose={onClose}>
      <div data-testid="send-dialog" data-way={way} aria-busy={busy}>
        <SegmentedControl
          fullWidth
          mb="xs"
          aria-label={t("oncall.way")}
          value={way}
          onChange={onWay}
          data={[
            { value: "transfer", label: t("oncall.transfer_now") },
            { value: "consult", label: t("oncall.consult_first") },
          ]}
        />
        <p className="dimmed small">{t(`oncall.${way}_long`)}</p>
        <Picker
          label={t("oncall.to")}
          placeholder={t("oncall.to_hint")}
          none={t("oncall.to_none")}
          typed={typed}
          options={places.map((place) => ({
            key: keyOf(place),
            icon: ICONS[place.kind],
            label: labelOf(place, t),
            detail: detailOf(place, t),
          }))}
          onType={setTyped}
          onPick={(key) => void send(key)}
        />
        <Refusal why={why} />
      </div>
    </Dialog>
  );
}

/** Why it was not done, read out at once. */
export function Refusal({ why }: { why: string }) {
  return (
    <p className="refusal" role="alert" data-testid="refusal">
      {why}
    </p>
  );
}

function canTalk(target: ReturnType<typeof targetOf>): target is Consulted {
  return target.kind === "agent" || target.kind === "number" || target.kind === "queue";
}

function labelOf(place: Place, t: Translate): string {
  switch (place.kind) {
    case "number":
      return phone(place.number);
    case "agent":
      return place.agent.name;
    case "queue":
      return place.queue.title;
    case "voicemail":
      return t("oncall.voicemail_of", { queue: place.queue.title });
    case "flow":
      return place.flowId;
  }
}

function detailOf(place: Place, t: Translate): string {
  switch (place.kind) {
    case "number":
      return t("oncall.kind.number");
    case "agent": {
      const { extension, registered, status, state } = place.agent;
      if (!registered) return `${extension} · ${t("phone.no")}`;
      if (status !== "available") return `${extension} · ${t(`status.${status}`)}`;
      return `${extension} · ${t(`state.${state}`)}`;
    }
    case "queue":
      return t("oncall.kind.queue", {
        waiting: place.queue.waiting,
        free: place.queue.agents_available,
      });
    case "voicemail":
      return t("oncall.kind.voicemail");
    case "flow":
      return t("oncall.kind.flow");
  }
}
