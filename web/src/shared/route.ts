import { useSyncExternalStore } from "react";

/** Where we are in the pages. The address says it, so that it can be kept, sent and gone back to. */
export type Route =
  | { readonly page: "desk" }
  | { readonly page: "customers"; readonly customerId: string | null }
  | { readonly page: "tasks" }
  | { readonly page: "board" };

export function parseRoute(path: string): Route {
  const [page, id] = path.split("/").filter(Boolean);
  switch (page) {
    case "customers":
      return { page, customerId: id === undefined ? null : decodeURIComponent(id) };
    case "tasks":
    case "board":
      return { page };
    default:
      return { page: "desk" };
  }
}

export function pathOf(route: Route): string {
  switch (route.page) {
    case "desk":
      return "/";
    case "customers":
      return route.customerId === null ? "/customers" : `/customers/${encodeURIComponent(route.customerId)}`;
    default:
      return `/${route.page}`;
  }
}

const listeners = new Set<() => void>();

export function go(route: Route): void {
  const path = pathOf(route);
  if (path !== location.pathname) history.pushState(null, "", path);
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

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => location.pathname));
}
