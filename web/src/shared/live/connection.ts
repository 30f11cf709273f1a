import type { LiveMessage } from "../api";
import { apply, EMPTY } from "./state";
import type { LiveState } from "./state";

const NOT_SIGNED_IN = 4401;
// A connection that dies silently (a laptop's Wi-Fi) shows nothing to a page: ask now and then.
const PROBE_MS = 20_000;
const PROBE_TIMEOUT_MS = 8_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** How the connection is. `retryAt`, in the browser's milliseconds, is when we try again. */
export type Link =
  | { readonly state: "connecting"; readonly attempt: number }
  | { readonly state: "open" }
  | { readonly state: "waiting"; readonly attempt: number; readonly retryAt: number };

export interface Live {
  readonly link: Link;
  readonly centre: LiveState;
}

/** How long to wait before the nth attempt (from 1): longer each time, and never all at once. */
export function backoff(attempt: number, random = Math.random()): number {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
  return Math.round(longest * (0.5 + random / 2));
}

/** The live feed: keeps one WebSocket open and the state of the centre current. */
export class LiveConnection {
  private live: Live = { link: { state: "connecting", attempt: 0 }, centre: EMPTY };
  private readonly listeners = new Set<() => void>();
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private prober: ReturnType<typeof setInterval> | undefined;
  private attempt = 0;

  constructor(private readonly onSignedOut: () => void) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly current = (): Live => this.live;

  readonly start = (): void => {
    window.addEventListener("online", this.retryNow);
    document.addEventListener("visibilitychange", this.retryWhenSeen);
    this.prober = setInterval(() => void this.probe(), PROBE_MS);
    this.open();
  };

  readonly stop = (): void => {
    window.removeEventListener("online", this.retryNow);
    document.removeEventListener("visibilitychange", this.retryWhenSeen);
    clearInterval(this.prober);
    clearTimeout(this.timer);
    this.drop();
  };

  private open(): void {
    this.drop();
    clearTimeout(this.timer);
    this.tell({ link: { state: "connecting", attempt: this.attempt } });
    const url = new URL("/api/v1/live", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      this.take(JSON.parse(data) as LiveMessage);
    };
    socket.onclose = ({ code }) => {
      this.lost(code);
    };
  }

  private take(message: LiveMessage): void {
    const centre = apply(this.live.centre, message);
    if (centre === null) {
      this.open(); // something is missing: the next snapshot has it
      return;
    }
    this.attempt = 0;
    this.tell({ link: this.live.link.state === "open" ? this.live.link : { state: "open" }, centre });
  }

  private lost(code: number): void {
    this.drop();
    if (code === NOT_SIGNED_IN) {
      this.onSignedOut();
      return;
    }
    this.attempt += 1;
    const wait = backoff(this.attempt);
    this.tell({ link: { state: "waiting", attempt: this.attempt, retryAt: Date.now() + wait } });
    this.timer = setTimeout(() => {
      this.open();
    }, wait);
    // A server that refuses the handshake tells a WebSocket nothing; a plain request hears the 401.
    void this.probe();
  }

  /** Asks by plain HTTP: hears a 401, and finds out when an open connection has died. */
  private async probe(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/session", {
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      if (answer.status === 401) this.onSignedOut();
    } catch {
      if (this.live.link.state === "open") this.lost(1006);
    }
  }

  private readonly retryNow = (): void => {
    if (this.live.link.state === "waiting") this.open();
  };

  private readonly retryWhenSeen = (): void => {
    if (document.visibilityState === "visible") this.retryNow();
  };

  private drop(): void {
    if (this.socket === null) return;
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  private tell(change: Partial<Live>): void {
    this.live = { ...this.live, ...change };
    for (const listener of this.listeners) listener();
  }
}
