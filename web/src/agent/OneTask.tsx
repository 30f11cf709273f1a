import { Badge, Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Task, TaskPatch } from "../shared/api";
import { CallSound } from "../shared/customer/CallSound";
import { Caller } from "../shared/customer/Caller";
import { ago, fullMoment, moment } from "../shared/format";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { IconName } from "../shared/icons";
import { errorText } from "../shared/messages";
import { agentsQuery, queuesQuery, useChangeTask, useContextOf } from "../shared/queries";
import { go } from "../shared/route";
import { useMe } from "../shared/session";
import { whenOf } from "../shared/tasks";

const ICONS: Record<Task["kind"], IconName> = {
  voicemail: "voicemail",
  missed_call: "phoneOff",
  callback: "phoneOut",
};

/** One task: whose, since when or for when, and what can be done about it. */
export function OneTask({ task, now }: { task: Task; now: number }) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const me = useMe();
  const [open, setOpen] = useState(false);
  const change = useChangeTask();
  const { data: queues } = useQuery(queuesQuery);
  const { data: agents } = useQuery(agentsQuery);
  const { data: context } = useContextOf(task.customer_id);
  const queue = queues?.items.find((one) => one.id === task.queue_id)?.title ?? "";
  const name = context?.customer.name ?? "";
  const { call_id: callId, customer_id: customerId } = task;
  const agentId = me.agent?.id ?? null;
  const mine = agentId !== null && task.agent_id === agentId;
  const taker = agents?.items.find((one) => one.id === task.agent_id)?.name ?? "";
  const when = whenOf(task, now);

  const set = async (patch: TaskPatch) => {
    try {
      await change.mutateAsync({ id: task.id, ...patch });
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <li
      className="card task"
      tabIndex={-1}
      data-testid="task"
      data-state={task.state}
      data-when={when}
      aria-label={[t(`tasks.kind.${task.kind}`), name || task.caller].join(": ")}
    >
      <span className="entry-icon" data-channel={task.kind === "voicemail" ? "voicemail" : "call"}>
        <Icon name={ICONS[task.kind]} />
      </span>
      <div className="entry-main">
        <div className="entry-head">
          {name !== "" && <b>{name}</b>}
          <Caller caller={task.caller} task={task} />
          {when === "overdue" && task.due_at !== null && (
            <Badge
              variant="outline"
              className="warn-badge"
              leftSection={<Icon name="alert" size={12} />}
              data-testid="task-overdue"
            >
              {t("tasks.overdue", { time: ago(task.due_at, language, now) })}
            </Badge>
          )}
          <time
            dateTime={task.due_at ?? task.created_at}
            title={fullMoment(task.due_at ?? task.created_at, language)}
          >
            {task.due_at === null
              ? moment(task.created_at, language, now)
              : t("tasks.due_at", { time: moment(task.due_at, language, now) })}
          </time>
        </div>
        <Text size="sm" c="dimmed">
          {[
            t(`tasks.kind.${task.kind}`),
            queue,
            mine ? t("tasks.taken_by_me") : taker === "" ? "" : t("tasks.taken_by", { name: taker }),
          ]
            .filter((one) => one !== "")
            .join(" · ")}
        </Text>
        {task.text !== "" && !open && <p className="entry-body">{task.text}</p>}
        {open && callId !== null && (
          <div className="entry-details">
            <CallSound callId={callId} />
          </div>
        )}
        {task.done_at !== null && (
          <Text size="xs" c="dimmed">
            {t("tasks.done_by", { name: task.done_by, time: moment(task.done_at, language, now) })}
          </Text>
        )}
        <div className="task-actions">
          {callId !== null && task.kind === "voicemail" && (
            <Button
              variant="light"
              size="xs"
              aria-expanded={open}
              leftSection={<Icon name={open ? "chevronDown" : "play"} size={15} />}
              onClick={() => {
                setOpen(!open);
              }}
              data-action="open"
              data-testid="task-listen"
            >
              {t(open ? "timeline.hide" : "tasks.listen")}
            </Button>
          )}
          {agentId !== null && task.state === "open" && (task.agent_id === null || mine) && (
            <Button
              variant="default"
              size="xs"
              leftSection={<Icon name={mine ? "back" : "user"} size={15} />}
              onClick={() => void set({ agent_id: mine ? null : agentId })}
              data-action="take"
              data-testid="task-take"
            >
              {t(mine ? "tasks.give_back" : "tasks.take")}
            </Button>
          )}
          {customerId !== null && (
            <Button
              variant="subtle"
              size="xs"
              leftSection={<Icon name="user" size={15} />}
              onClick={() => {
                go({ page: "customers", customerId });
              }}
            >
              {t("tasks.see_customer")}
            </Button>
          )}
          <Button
            variant={task.state === "open" ? "filled" : "default"}
            size="xs"
            loading={change.isPending}
            leftSection={<Icon name={task.state === "open" ? "check" : "history"} size={15} />}
            onClick={() => void set({ state: task.state === "open" ? "done" : "open" })}
            data-action="done"
            data-testid="task-done"
          >
            {t(task.state === "open" ? "tasks.mark_done" : "tasks.reopen")}
          </Button>
        </div>
      </div>
    </li>
  );
}
