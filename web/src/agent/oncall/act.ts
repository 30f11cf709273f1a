import { useCallback, useMemo, useRef, useState } from "react";
import { useAnnouncer } from "../../shared/announce";
import { api, body } from "../../shared/api";
import type { Target } from "../../shared/api";
import { useI18n } from "../../shared/i18n";
import { errorText } from "../../shared/messages";

const path = (id: string) => ({ params: { path: { id } } });

/**
 * Does one thing at a time: what is asked for while it is on its way is dropped, so that a second
 * click does nothing twice. Says whether it was done; a refusal is shown, by `refused` if given.
 */
export function useAct(refused?: (why: string) => void) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const running = useRef(false);
  const [busy, setBusy] = useState(false);
  const act = useCallback(
    async (run: () => Promise<unknown>): Promise<boolean> => {
      if (running.current) return false;
      running.current = true;
      setBusy(true);
      try {
        await run();
        return true;
      } catch (error) {
        const why = errorText(t, error);
        if (refused === undefined) toast(why, "bad");
        else refused(why);
        return false;
      } finally {
        running.current = false;
        setBusy(false);
      }
    },
    [refused, t, toast],
  );
  return { act, busy };
}

/** What can be asked of the server for one call. */
export function useOrders(callId: string) {
  return useMemo(() => {
    const call = path(callId);
    return {
      hold: () => body(api.POST("/api/v1/calls/{id}/hold", call)),
      resume: () => body(api.POST("/api/v1/calls/{id}/resume", call)),
      hangUp: () => body(api.POST("/api/v1/calls/{id}/hang-up", call)),
      park: () => body(api.POST("/api/v1/calls/{id}/park", call)),
      swap: () => body(api.POST("/api/v1/calls/{id}/consult/swap", call)),
      complete: () => body(api.POST("/api/v1/calls/{id}/consult/complete", call)),
      confer: () => body(api.POST("/api/v1/calls/{id}/consult/conference", call)),
      cancel: () => body(api.POST("/api/v1/calls/{id}/consult/cancel", call)),
      pauseRecording: () => body(api.POST("/api/v1/calls/{id}/recording/pause", call)),
      resumeRecording: () => body(api.POST("/api/v1/calls/{id}/recording/resume", call)),
      keys: (keys: string) =>
        body(api.POST("/api/v1/calls/{id}/keys", { ...call, body: { keys } })),
      transfer: (to: Target) =>
        body(api.POST("/api/v1/calls/{id}/transfer", { ...call, body: { to } })),
      consult: (to: Consulted) =>
        body(api.POST("/api/v1/calls/{id}/consult", { ...call, body: { to } })),
    };
  }, [callId]);
}

export type Orders = ReturnType<typeof useOrders>;
/** Whom one can talk to first. */
export type Consulted = Extract<Target, { kind: "agent" | "number" | "queue" }>;

export const pickUp = (slot: string) => body(api.POST("/api/v1/parked/{id}/pick-up", path(slot)));

/** Calls a number for a queue; `taskId` is what it is about. */
export const call = (to: string, queueId: string, taskId: string | null = null) =>
  body(api.POST("/api/v1/calls", { body: { to, queue_id: queueId, task_id: taskId } }));
