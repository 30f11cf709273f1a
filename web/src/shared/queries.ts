import { queryOptions, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, ApiError, body } from "./api";
import type {
  Case,
  CaseState,
  Channel,
  CustomerPatch,
  Interaction,
  InteractionPatch,
  NewMessage,
  NewTask,
  TaskPatch,
  TaskState,
} from "./api";
import { serverNow } from "./clock";
import { useLive } from "./live";
import { useMe } from "./session";

/** What the pages ask of the API, and what becomes stale when they change something. */

// When to look again for what comes a little later than the end of a call, and until when.
const LATER_MS = 5000;
const SETTLED_MS = 60_000;

const path = (id: string) => ({ path: { id } });

export const queuesQuery = queryOptions({
  queryKey: ["queues"],
  queryFn: () => body(api.GET("/api/v1/queues")),
  staleTime: 60_000,
});

export const agentsQuery = queryOptions({
  queryKey: ["agents"],
  queryFn: () => body(api.GET("/api/v1/agents")),
  staleTime: 60_000,
});

export const contextKey = (customerId: string | null) => ["customer", customerId, "context"];

export const flowsQuery = queryOptions({
  queryKey: ["flows"],
  queryFn: () => body(api.GET("/api/v1/flows")),
  staleTime: 60_000,
});

export function useContextOf(customerId: string | null) {
  return useQuery({
    queryKey: contextKey(customerId),
    queryFn: () => body(api.GET("/api/v1/customers/{id}/context", { params: path(customerId ?? "") })),
    enabled: customerId !== null,
  });
}

/** The entries of a customer, newest first; from the entry `since` on, or all. */
export function useTimeline(customerId: string, channel: Channel | null, since: string | null) {
  return useInfiniteQuery({
    queryKey: ["customer", customerId, "timeline", channel, since],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/customers/{id}/timeline", {
          params: {
            ...path(customerId),
            query: {
              limit: 50,
              ...(channel === null ? {} : { channel }),
              ...(since === null ? {} : { since }),
              ...(pageParam === null ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    // A call that goes on gets its end, its recording and its words while one looks.
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(isUnfinished)) === true ? LATER_MS : false,
  });
}

/** Where all words of `text` are found, newest first; of one customer, or of all. */
export function useSearch(text: string, customerId: string | null, channel: Channel | null) {
  return useInfiniteQuery({
    queryKey: ["customer", customerId, "search", text, channel],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/search", {
          params: {
            query: {
              q: text,
              limit: 25,
              ...(customerId === null ? {} : { customer_id: customerId }),
              ...(channel === null ? {} : { channel }),
              ...(pageParam === null ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    enabled: text !== "",
    placeholderData: (before) => before,
  });
}

function isUnfinished({ call, ended_at }: Interaction): boolean {
  return call !== null && (ended_at === null || serverNow() - Date.parse(ended_at) < SETTLED_MS);
}

export function useCall(callId: string | null) {
  return useQuery({
    queryKey: ["call", callId],
    queryFn: () => body(api.GET("/api/v1/calls/{id}", { params: path(callId ?? "") })),
    enabled: callId !== null,
    // A call that has only just come may not be written yet.
    retry: (count, error) => count < 4 && !(error instanceof ApiError && error.status === 403),
    retryDelay: (count) => 400 * 2 ** count,
    refetchInterval: ({ state: { data } }) =>
      data !== undefined &&
      data.transcripts.length < data.recordings.length &&
      data.ended_at !== null &&
      serverNow() - Date.parse(data.ended_at) < 10 * SETTLED_MS
        ? LATER_MS
        : false,
  });
}

/** What a recording's waveform is drawn from; it never changes. */
export function usePeaks(recordingId: string, enabled: boolean) {
  return useQuery({
    queryKey: ["peaks", recordingId],
    queryFn: () => body(api.GET("/api/v1/recordings/{id}/peaks", { params: path(recordingId) })),
    staleTime: Infinity,
    retry: false,
    enabled,
  });
}

export function useInteraction(id: string | null) {
  return useQuery({
    queryKey: ["interaction", id],
    queryFn: () => body(api.GET("/api/v1/interactions/{id}", { params: path(id ?? "") })),
    enabled: id !== null,
  });
}

export function useMyCalls(agentId: string | null) {
  return useQuery({
    queryKey: ["calls", agentId],
    queryFn: () =>
      body(api.GET("/api/v1/calls", { params: { query: { agent_id: agentId ?? "", limit: 8 } } })),
    enabled: agentId !== null,
    refetchOnMount: "always", // it is looked at when a call has just ended
  });
}

export function useCustomers(search: string) {
  return useInfiniteQuery({
    queryKey: ["customers", search],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/customers", {
          params: {
            query: {
              limit: 25,
              ...(search === "" ? {} : { q: search }),
              ...(pageParam === null ? {} : { cursor: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
}

export function useTasks(state: TaskState) {
  return useInfiniteQuery({
    queryKey: ["tasks", state],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/tasks", {
          params: {
            query: { limit: 100, state, ...(pageParam === null ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
}

// --- changes ------------------------------------------------------------------------------------

/** Everything that shows customers, their entries and cases is asked for anew. */
function useStale() {
  const queries = useQueryClient();
  return (...keys: string[]) =>
    Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })));
}

export function useChangeInteraction(id: string | null) {
  const stale = useStale();
  return useMutation({
    mutationFn: (patch: InteractionPatch) =>
      body(api.PATCH("/api/v1/interactions/{id}", { params: path(id ?? ""), body: patch })),
    onSuccess: () => void stale("customer", "interaction", "call", "calls"),
    scope: { id: `interaction ${id ?? ""}` }, // one after the other, so that the last one written stays
    retry: (count, error) => count < 3 && error instanceof ApiError && error.status === 0,
  });
}

export function useAssignCustomer(interactionId: string | null) {
  const stale = useStale();
  return useMutation({
    mutationFn: (given: { customerId: string; merge: boolean }) =>
      body(
        api.POST("/api/v1/interactions/{id}/customer", {
          params: path(interactionId ?? ""),
          body: { customer_id: given.customerId, merge: given.merge },
        }),
      ),
    onSuccess: () => void stale("customer", "customers", "interaction", "call", "calls"),
  });
}

export function useMerges(customerId: string) {
  return useQuery({
    queryKey: ["customer", customerId, "merges"],
    queryFn: () => body(api.GET("/api/v1/customers/{id}/merges", { params: path(customerId) })),
  });
}

export function useMerging() {
  const stale = useStale();
  const onSuccess = () =>
    stale("customer", "customers", "interaction", "call", "calls", "tasks", "cases");
  const merge = useMutation({
    mutationFn: (given: { former: string; into: string }) =>
      body(
        api.POST("/api/v1/customers/{id}/merge", {
          params: path(given.former),
          body: { into: given.into },
        }),
      ),
    onSuccess,
  });
  const undo = useMutation({
    mutationFn: (mergeId: string) => body(api.POST("/api/v1/merges/{id}/undo", { params: path(mergeId) })),
    onSuccess,
  });
  return { merge, undo };
}

export function useChangeCustomer(id: string) {
  const stale = useStale();
  return useMutation({
    mutationFn: (patch: CustomerPatch) =>
      body(api.PATCH("/api/v1/customers/{id}", { params: path(id), body: patch })),
    onSuccess: () => stale("customer", "customers"),
  });
}

export function useAddNote(customerId: string) {
  const stale = useStale();
  return useMutation({
    mutationFn: (text: string) =>
      body(
        api.POST("/api/v1/interactions", {
          body: { channel: "note", direction: "internal", customer_id: customerId, body: text },
        }),
      ),
    onSuccess: () => stale("customer"),
  });
}

export function useCases() {
  const stale = useStale();
  const onSuccess = () => stale("customer", "cases");
  const open = useMutation({
    mutationFn: (given: { customerId: string; subject: string }): Promise<Case> =>
      body(
        api.POST("/api/v1/cases", {
          body: { customer_id: given.customerId, subject: given.subject },
        }),
      ),
    onSuccess,
  });
  const change = useMutation({
    mutationFn: (given: { id: string; state: CaseState }): Promise<Case> =>
      body(api.PATCH("/api/v1/cases/{id}", { params: path(given.id), body: { state: given.state } })),
    onSuccess,
  });
  return { open, change };
}

export function useChangeTask() {
  const stale = useStale();
  return useMutation({
    mutationFn: ({ id, ...patch }: TaskPatch & { id: string }) =>
      body(api.PATCH("/api/v1/tasks/{id}", { params: path(id), body: patch })),
    onSettled: () => stale("tasks", "customer", "day"),
  });
}

export function useMakeTask() {
  const stale = useStale();
  return useMutation({
    mutationFn: (task: NewTask) => body(api.POST("/api/v1/tasks", { body: task })),
    onSuccess: () => stale("tasks", "customer", "day"),
  });
}

export function useTags(text: string) {
  return useQuery({
    queryKey: ["interaction", "tags", text],
    queryFn: () => body(api.GET("/api/v1/tags", { params: { query: text === "" ? {} : { q: text.slice(0, 40) } } })),
    placeholderData: (before) => before,
  });
}

export function useTemplates() {
  return useQuery({
    queryKey: ["templates"],
    queryFn: () => body(api.GET("/api/v1/templates")),
    staleTime: 60_000,
  });
}

/** A template filled for a customer. */
export function useDraftOf(id: string, customerId: string, caseId: string | null, language: string) {
  return useQuery({
    queryKey: ["customer", customerId, "draft", id, caseId, language],
    queryFn: () =>
      body(
        api.GET("/api/v1/templates/{id}/draft", {
          params: {
            ...path(id),
            query: {
              customer_id: customerId,
              ...(caseId === null ? {} : { case_id: caseId }),
              ...(language === "" ? {} : { language }),
            },
          },
        }),
      ),
  });
}

export function useWriteMessage() {
  const stale = useStale();
  return useMutation({
    mutationFn: (message: NewMessage) => body(api.POST("/api/v1/messages", { body: message })),
    onSuccess: () => stale("customer"),
  });
}

/** Tries a message again that has not gone. */
export function useRetryMessage() {
  const stale = useStale();
  return useMutation({
    mutationFn: (messageId: string) => body(api.POST("/api/v1/messages/{id}/retry", { params: path(messageId) })),
    onSettled: () => stale("customer"),
  });
}

/** The agent's own figures since the last midnight of this desk. */
export function useMyDay() {
  return useQuery({
    queryKey: ["day"],
    queryFn: () => {
      const since = new Date(serverNow());
      since.setHours(0, 0, 0, 0);
      return body(api.GET("/api/v1/me/day", { params: { query: { since: since.toISOString() } } }));
    },
    refetchOnMount: "always", // it is looked at when a call has just ended
    refetchInterval: 60_000,
  });
}

// What has happened is in the books a moment later, in milliseconds.
const WRITTEN_DOWN = 1_500;

/** Has the agent's figures counted anew whenever the agent begins or ceases to do something. */
export function useFreshDay(): void {
  const queries = useQueryClient();
  const { centre } = useLive();
  const { agent } = useMe();
  const now = agent == null ? undefined : centre.agents[agent.id];
  useEffect(() => {
    const timer = setTimeout(() => void queries.invalidateQueries({ queryKey: ["day"] }), WRITTEN_DOWN);
    return () => {
      clearTimeout(timer);
    };
  }, [queries, now?.state, now?.since]);
}

export function useWrapUp(agentId: string) {
  const extend = useMutation({
    mutationFn: (seconds: number) =>
      body(
        api.POST("/api/v1/agents/{id}/wrap-up/extend", {
          params: path(agentId),
          body: { seconds },
        }),
      ),
  });
  const finish = useMutation({
    mutationFn: async () => {
      try {
        await body(api.POST("/api/v1/agents/{id}/wrap-up/finish", { params: path(agentId) }));
      } catch (error) {
        // Its time ran out in the same moment: that is what was wanted.
        if (!(error instanceof ApiError && error.status === 409)) throw error;
      }
    },
  });
  return { extend, finish };
}

export function useSetStatus() {
  return useMutation({
    mutationFn: (given: {
      agentId: string;
      status: "available" | "on_break" | "logged_out";
      reason?: string;
    }) =>
      body(
        api.POST("/api/v1/agents/{id}/status", {
          params: path(given.agentId),
          body: { status: given.status, reason: given.reason ?? "" },
        }),
      ),
  });
}
