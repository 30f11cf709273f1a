import { Button, NativeSelect, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Customer, Task } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import { nameOf } from "../../shared/customer/CustomerHead";
import { Dialog } from "../../shared/Dialog";
import { moment, phone } from "../../shared/format";
import { useI18n } from "../../shared/i18n";
import { Icon } from "../../shared/icons";
import { queuesQuery, useCustomers } from "../../shared/queries";
import { remember, remembered } from "../../shared/remembered";
import { go } from "../../shared/route";
import { call, useAct } from "./act";
import { typedNumber } from "./directory";
import { Picker } from "./Picker";
import type { Option } from "./Picker";
import { Refusal } from "./SendDialog";

interface Props {
  /** What it opens with. */
  readonly number: string;
  /** What it is about: whoever is called, that task is in hand, and done once the two talk. */
  readonly task?: Task | undefined;
  /** The queues that the agent serves: one of them calls, and shows its number. */
  readonly queues: readonly string[];
  readonly onClose: () => void;
}

/** Whom to call, found by number or by name, and which queue's number they see. */
export function DialPad({ number, task, queues, onClose }: Props) {
  const { t, language } = useI18n();
  const { data } = useQuery(queuesQuery);
  const [typed, setTyped] = useState(number);
  const [why, setWhy] = useState("");
  const [queue, setQueue] = useState(() => firstQueue(queues, task?.queue_id));
  const { act, busy } = useAct(setWhy);
  const [asked] = useDebouncedValue(typed.trim(), 200);
  const found = useCustomers(asked);

  const titled = (id: string) => data?.items.find((one) => one.id === id)?.title ?? id;
  const direct = typedNumber(typed);
  // What was found for other words than those that stand there now calls nobody.
  const isStale = asked !== typed.trim() || found.isPlaceholderData;
  const customers =
    asked === "" || isStale ? [] : (found.data?.pages.flatMap((page) => page.items) ?? []);
  const options: Option[] = [
    ...(direct === null
      ? []
      : [{ key: direct, icon: "phoneOut" as const, label: phone(direct), detail: t("dial.this_number") }]),
    ...customers.flatMap((one) => numbersOf(one, t("caller.unknown"))).filter((one) => one.key !== direct),
  ];
  const dial = async (to: string | undefined) => {
    if (to === undefined) return;
    setWhy("");
    if (queue === undefined) {
      setWhy(t("dial.no_queue"));
      return;
    }
    // The queue of a task is that task's, and no choice for the next call.
    if (task === undefined) remember("dial-queue", queue);
    if (await act(() => call(to, queue, task?.id))) {
      onClose();
      go({ page: "desk" });
    }
  };
  return (
    <Dialog opened title={t("dial.title")} onClose={onClose}>
      <div data-testid="dial-pad" aria-busy={busy}>
        {task !== undefined && (
          <Text size="sm" mb="xs" data-testid="dial-task">
            <Icon name="inbox" size={15} />{" "}
            {t("dial.for_task", {
              what: t(`tasks.kind.${task.kind}`),
              when: moment(task.due_at ?? task.created_at, language, serverNow()),
            })}
          </Text>
        )}
        <Picker
          label={t("dial.to")}
          placeholder={t("dial.to_hint")}
          none={typed.trim() === "" || isStale ? "" : t("dial.to_none")}
          typed={typed}
          options={options}
          onType={setTyped}
          onPick={(to) => void dial(to)}
        />
        <NativeSelect
          mt="sm"
          label={t("dial.as")}
          description={t("dial.as_hint")}
          value={queue}
          onChange={(event) => {
            setQueue(event.currentTarget.value);
          }}
          data={queues.map((id) => ({ value: id, label: titled(id) }))}
          data-testid="dial-queue"
        />
        <Refusal why={why} />
        <Button
          fullWidth
          mt="md"
          leftSection={<Icon name="phoneOut" />}
          disabled={options.length === 0}
          onClick={() => void dial(options[0]?.key)}
          data-testid="dial-call"
        >
          {options[0] === undefined ? t("dial.call") : t("dial.number", { number: options[0].label })}
        </Button>
      </div>
    </Dialog>
  );
}

/** The queue of the task, else the one that called last, if the agent serves it. */
function firstQueue(queues: readonly string[], ofTask: string | null = null): string | undefined {
  const serves = (queue: string | null) => queues.find((one) => one === queue);
  return serves(ofTask) ?? serves(remembered("dial-queue")) ?? queues[0];
}

function numbersOf(customer: Customer, unknown: string): Option[] {
  return customer.identities
    .filter(({ kind }) => kind === "phone")
    .map(({ value }) => ({
      key: value,
      id: `${customer.id} ${value}`,
      icon: "user",
      label: nameOf(customer, unknown),
      detail: phone(value),
    }));
}
