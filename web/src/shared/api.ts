import createClient from "openapi-fetch";
import type { components, paths } from "../gen/api";
import { noteServerTime } from "./clock";

type Schemas = components["schemas"];

export type Agent = Schemas["AgentChanged"];
export type AgentStatus = Agent["status"];
export type Call = Schemas["Call"];
export type CallDetail = Schemas["CallDetail"];
export type Case = Schemas["Case"];
export type CaseState = Schemas["CaseState"];
export type Channel = Schemas["Channel"];
export type Customer = Schemas["Customer"];
export type CustomerContext = Schemas["CustomerContext"];
export type CustomerPatch = Schemas["CustomerPatch"];
export type Interaction = Schemas["Interaction"];
export type InteractionPatch = Schemas["InteractionPatch"];
export type LiveMessage = Schemas["LiveMessage"];
export type Me = Schemas["Me"];
export type Merge = Schemas["Merge"];
export type Offer = Schemas["OfferMade"];
export type PhoneCredentials = Schemas["PagePhone"];
export type PathStep = Schemas["PathStep"];
export type Queue = Schemas["Queue"];
export type Recording = Schemas["Recording"];
export type Sending = Schemas["Sending"];
export type SendingStatus = Schemas["MessageStatus"];
export type SearchHit = Schemas["SearchHit"];
export type MyDay = Schemas["MyDay"];
export type NewMessage = Schemas["NewMessage"];
export type NewTask = Schemas["NewTask"];
export type TaskPatch = Schemas["TaskPatch"];
export type Template = Schemas["Template"];
export type Target = Schemas["TransferRequest"]["to"];
export type Task = Schemas["Task"];
export type TaskState = Schemas["TaskState"];
export type Transcript = Schemas["Transcript"];
export type WrapUp = Schemas["WrapUpStarted"];

/**
 * The server said no, or (status 0) could not be reached. `code` is stable, and so is `why`, which says
 * more exactly what is in the way; `values` are for the words. See docs/api.md.
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly why = "",
    readonly values: Schemas["ErrorDetail"]["values"] = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Called when the server says that nobody is signed in any more. */
let onSignedOut: () => void = () => undefined;

export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

function csrfToken(): string {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith("centralita_csrf="));
  return decodeURIComponent(cookie?.slice("centralita_csrf=".length) ?? "");
}

/** Said while the page is closed: nobody waits for the answer. */
export function lastWord(path: "/api/v1/me/phone/leave"): void {
  void fetch(path, {
    method: "POST",
    keepalive: true,
    headers: { "X-CSRF-Token": csrfToken() },
  }).catch(() => undefined);
}

export const api = createClient<paths>({
  baseUrl: "",
  fetch: async (request) => {
    try {
      return await fetch(request);
    } catch (cause) {
      throw new ApiError(0, "network", cause instanceof Error ? cause.message : "network");
    }
  },
});

api.use({
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("X-CSRF-Token", csrfToken());
    return request;
  },
  onResponse({ request, response }) {
    noteServerTime(response.headers.get("Date"));
    const signingIn = request.method === "POST" && request.url.endsWith("/api/v1/session");
    if (response.status === 401 && !signingIn) onSignedOut();
    return response;
  },
});

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** The body of an answer; throws ApiError for one that says no. */
export async function body<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T; // 204 has no body, and T is then undefined
  const detail = errorDetail(error);
  throw new ApiError(response.status, detail.code, detail.message, detail.why, detail.values);
}

function errorDetail(error: unknown): Pick<ApiError, "code" | "message"> & Partial<ApiError> {
  if (typeof error === "object" && error !== null && "error" in error) {
    const { error: detail } = error as Partial<Schemas["Error"]>;
    if (detail !== undefined) return detail;
  }
  return { code: "other", message: typeof error === "string" ? error.slice(0, 200) : "" };
}
