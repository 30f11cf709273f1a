import { useSyncExternalStore } from "react";

/** Where we are in the pages. The address says it, so that it can be kept, sent and gone back to. */
export type Route =
  | { readonly page: "desk" }
  | {
      readonly page: "customers";
      readonly customerId: string | null;
      /** What a search found in this customer's history. */
      readonly place?: Place | undefined;
    }
  | { readonly page: "tasks" }
  | { readonly page: "board" };

/** An entry of a timeline; of a call also the recording, and the second in it. */
export interface Place {
  readonly entry: string;
  readonly recording?: string;
  readonly at?: number;
}

export function parseRoute(address: string): Route {
  const [path = "", query = ""] = address.split("?");
  const [page, id] = path.split("/").filter(Boolean);
  switch (page) {
    case "customers":
      return {
        page,
        customerId: id === undefined ? null : decodeURIComponent(id),
        place: placeIn(new URLSearchParams(query)),
      };
    case "tasks":
    case "board":
      return { page };
    default:
      return { page: "desk" };
  }
}

function placeIn(query: URLSearchParams): Place | undefined {
  const [entry, recording, at] = ["entry", "recording", "at"].map((name) => query.get(name));
  if (entry == null) return undefined;
  const second = Number(at ?? NaN);
  return {
    entry,
    ...(recording == null ? {} : { recording }),
    ...(Number.isFinite(second) ? { at: second } : {}),
  };
}

export function pathOf(route: Route): string {
  switch (route.page) {
    case "desk":
      return "/";
    case "customers":
      if (route.customerId === null) return "/customers";
      return `/customers/${encodeURIComponent(route.customerId)}${queryOf(route.place)}`;
    default:
      return `/${route.page}`;
  }
}

function queryOf(place: Place | undefined): string {
  if (place === undefined) return "";
  const given = Object.entries(place).map(([name, value]) => [name, String(value)]);
  return `?${new URLSearchParams(given).toString()}`;
}

const listeners = new Set<() => void>();

export function go(route: Route): void {
  const path = pathOf(route);
  if (path !== address()) history.pushState(null, "", path);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

function address(): string {
  return location.pathname + location.search;
}

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, address));
}
