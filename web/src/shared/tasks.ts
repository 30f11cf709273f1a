import type { Me, Task } from "./api";

/** Whether a task is for whoever is signed in to see: not what another agent has taken. */
export function isMine(task: Task, me: Me): boolean {
  if (me.user.role !== "agent" || task.agent_id === null) return true;
  return task.agent_id === me.agent?.id || task.state === "done";
}

/** `later` until its time comes, from then on `overdue`; a task without a time is for `now`. */
export function whenOf(task: Task, now: number): "now" | "later" | "overdue" {
  if (task.due_at === null || task.state === "done") return "now";
  return Date.parse(task.due_at) > now ? "later" : "overdue";
}
