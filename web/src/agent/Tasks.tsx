import { Button, SegmentedControl, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Task, TaskState } from "../shared/api";
import { CallSound } from "../shared/customer/CallSound";
import { nameless } from "../shared/customer/caller";
import { fullMoment, moment } from "../shared/format";
import { useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLive } from "../shared/live";
import { errorText } from "../shared/messages";
import { queuesQuery, useContextOf, useSetTask, useTasks } from "../shared/queries";
import { go } from "../shared/route";

/** Voicemails to hear and calls to return. */
export function Tasks() {
  const { t } = useI18n();
  const [state, setState] = useState<TaskState>("open");
  const tasks = useTasks(state);
  const queries = useQueryClient();
  const { centre } = useLive();
  const items = tasks.data?.pages.flatMap((page) => page.items);

  // Somebody else's change, or a new voicemail.
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ["tasks"] });
  }, [centre.tasks, queries]);

  return (
    <div className="tasks">
      <div className="page-head">
        <Title order={1} size="h2">
          {t("tasks.title")}
        </Title>
        <SegmentedControl
          aria-label={t("tasks.title")}
          value={state}
          onChange={setState}
          data={[
            { value: "open", label: t("tasks.open") },
            { value: "done", label: t("tasks.done") },
          ]}
        />
      </div>
      {tasks.error !== null && <Text role="alert">{errorText(t, tasks.error)}</Text>}
      {items?.length === 0 && (
        <div className="nothing-chosen">
          <Icon name="circleCheck" size={44} />
          <Text>{t(state === "open" ? "tasks.none" : "tasks.none_done")}</Text>
        </div>
      )}
      <ul>
        {items?.map((task) => (
          <OneTask key={task.id} task={task} />
        ))}
      </ul>
      {tasks.hasNextPage && (
        <Button
          variant="default"
          loading={tasks.isFetchingNextPage}
          onClick={() => void tasks.fetchNextPage()}
        >
          {t("tasks.more")}
        </Button>
      )}
    </div>
  );
}

function OneTask({ task }: { task: Task }) {
  const { t, language } = useI18n();
  const { toast } = useAnnouncer();
  const now = useNow(30_000);
  const [open, setOpen] = useState(false);
  const set = useSetTask();
  const { data: queues } = useQuery(queuesQuery);
  const { data: context } = useContextOf(task.customer_id);
  const queue = queues?.items.find((one) => one.id === task.queue_id)?.title ?? "";
  const name = context?.customer.name ?? "";
  const { call_id: callId, customer_id: customerId } = task;

  const mark = async (state: TaskState) => {
    try {
      await set.mutateAsync({ id: task.id, state });
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <li className="card task" data-testid="task" data-state={task.state}>
      <span className="entry-icon" data-channel={task.kind === "voicemail" ? "voicemail" : "call"}>
        <Icon name={task.kind === "voicemail" ? "voicemail" : "phoneOff"} />
      </span>
      <div className="entry-main">
        <div className="entry-head">
          <b>{name === "" ? nameless(task.caller, t) : name}</b>
          {name !== "" && <span className="dimmed">{nameless(task.caller, t)}</span>}
          <time dateTime={task.created_at} title={fullMoment(task.created_at, language)}>
            {moment(task.created_at, language, now)}
          </time>
        </div>
        <Text size="sm" c="dimmed">
          {[t(`tasks.kind.${task.kind}`), queue].filter((one) => one !== "").join(" · ")}
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
              data-testid="task-listen"
            >
              {t(open ? "timeline.hide" : "tasks.listen")}
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
            loading={set.isPending}
            leftSection={<Icon name={task.state === "open" ? "check" : "history"} size={15} />}
            onClick={() => void mark(task.state === "open" ? "done" : "open")}
            data-testid="task-done"
          >
            {t(task.state === "open" ? "tasks.mark_done" : "tasks.reopen")}
          </Button>
        </div>
      </div>
    </li>
  );
}
