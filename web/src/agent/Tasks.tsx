import { Button, SegmentedControl, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import type { Task, TaskState } from "../shared/api";
import { useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import type { Key } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLive } from "../shared/live";
import { errorText } from "../shared/messages";
import { useTasks } from "../shared/queries";
import { useMe } from "../shared/session";
import { useShortcuts } from "../shared/shortcuts";
import { isMine, whenOf } from "../shared/tasks";
import { OneTask } from "./OneTask";

const GROUPS = ["mine", "due", "later"] as const;
type Group = (typeof GROUPS)[number];
const TITLES: Record<Group, Key> = { mine: "tasks.mine", due: "tasks.due", later: "tasks.later" };

/** Voicemails to hear, calls to return, callbacks at their time. */
export function Tasks() {
  const { t } = useI18n();
  const me = useMe();
  const [state, setState] = useState<TaskState>("open");
  const tasks = useTasks(state);
  const queries = useQueryClient();
  const { centre } = useLive();
  const now = useNow(5000);
  const all = tasks.data?.pages.flatMap((page) => page.items);
  const seen = all?.filter((task) => isMine(task, me));
  const agentId = me.agent?.id ?? null;
  const groups = useMemo(() => grouped(seen ?? [], now, agentId), [seen, now, agentId]);

  // Somebody else's change, or a new voicemail.
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ["tasks"] });
  }, [centre.tasks, queries]);
  useShortcuts(
    useMemo(
      () => ({
        ArrowDown: () => {
          step(1);
        },
        ArrowUp: () => {
          step(-1);
        },
        t: () => {
          press("take");
        },
        d: () => {
          press("done");
        },
        o: () => {
          press("open");
        },
      }),
      [],
    ),
  );

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
      <Text size="xs" c="dimmed" mb="sm" className="wide-only">
        {t("tasks.keys")}
      </Text>
      {tasks.error !== null && <Text role="alert">{errorText(t, tasks.error)}</Text>}
      {seen?.length === 0 && (
        <div className="nothing-chosen">
          <Icon name="circleCheck" size={44} />
          <Text>{t(state === "open" ? "tasks.none" : "tasks.none_done")}</Text>
        </div>
      )}
      {state === "done" ? (
        <ul>{seen?.map((task) => <OneTask key={task.id} task={task} now={now} />)}</ul>
      ) : (
        GROUPS.filter((group) => groups[group].length > 0).map((group) => (
          <section key={group} aria-labelledby={`tasks-${group}`} data-testid={`tasks-${group}`}>
            <Title order={2} size="h5" my="sm" id={`tasks-${group}`}>
              {t(TITLES[group], { count: groups[group].length })}
            </Title>
            <ul>
              {groups[group].map((task) => (
                <OneTask key={task.id} task={task} now={now} />
              ))}
            </ul>
          </section>
        ))
      )}
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

/** Moves the focus to the task after the one that has it, or before it. */
function step(by: number): void {
  const items = [...document.querySelectorAll<HTMLElement>("[data-testid=task]")];
  const at = items.findIndex((item) => item.contains(document.activeElement));
  items[Math.min(Math.max(at + by, 0), items.length - 1)]?.focus();
}

/** Does with the task that has the focus what one of its buttons does. */
function press(action: "take" | "done" | "open"): void {
  document.activeElement
    ?.closest("[data-testid=task]")
    ?.querySelector<HTMLElement>(`[data-action=${action}]`)
    ?.click();
}

/** What the agent has taken, what is to be done now, what has its time still to come. */
function grouped(tasks: readonly Task[], now: number, agentId: string | null): Record<Group, Task[]> {
  const groups: Record<Group, Task[]> = { mine: [], due: [], later: [] };
  const sorted = [...tasks].sort((a, b) => Date.parse(a.due_at ?? a.created_at) - Date.parse(b.due_at ?? b.created_at));
  for (const task of sorted) {
    const group =
      whenOf(task, now) === "later" ? "later" : agentId !== null && task.agent_id === agentId ? "mine" : "due";
    groups[group].push(task);
  }
  return groups;
}
