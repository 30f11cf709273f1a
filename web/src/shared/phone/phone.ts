import { api, ApiError, body, lastWord } from "../api";
import type { PhoneCredentials } from "../api";
import { assertNever } from "../assert";
import { remember } from "../remembered";
import { chosen, device } from "./choice";
import type { MendEvent } from "./mend";
import { Mender } from "./mender";
import type { SipEvent, SipPhone } from "./sip";
import { closeMicrophone, Earpiece, openMicrophone, Ringer } from "./sound";
import { SILENT, step } from "./state";
import type { PhoneEvent, PhoneState } from "./state";
import { Tabs } from "./tabs";
import type { Command } from "./tabs";

// Between attempts to become the phone while the server says it cannot be just now.
const RETRY_MS = 3000;
// The ring that one has asked for is on its way for so long.
const ASKED_MS = 2000;

/** The phone of this page: one for each person who is signed in. */
export class PagePhone {
  private state: PhoneState = { ...SILENT, choice: chosen() };
  private readonly listeners = new Set<() => void>();
  private tabs: Tabs | null = null;
  private sip: SipPhone | null = null;
  private asking = false;
  private askedAt = -Infinity;
  private ear: Earpiece | null = null;
  private bell: Ringer | null = null;
  private microphone: MediaStream | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly mender = new Mender({
    restart: () => void this.restart(),
    reconnect: () => {
      this.sip?.reconnect();
    },
    ring: () => void this.comeBack(),
  });
  private callId: string | null = null;

  constructor(private readonly userId: string) {}

  start = (): void => {
    this.tabs = new Tabs(`centralita.phone.${this.userId}`, {
      leads: () => {
        // What we have shown was another tab's.
        this.show({ ...SILENT, choice: chosen() });
        if (this.state.choice === "page") void this.connect();
      },
      state: (state) => {
        this.show(state);
      },
      command: (command) => {
        void this.obey(command);
      },
      current: this.current,
    });
    this.tabs.join();
    window.addEventListener("pagehide", this.leaves);
    window.addEventListener("online", this.isOnLine);
  };

  stop = (): void => {
    window.removeEventListener("pagehide", this.leaves);
    window.removeEventListener("online", this.isOnLine);
    this.hangUpAll();
    this.tabs?.leave();
    this.tabs = null;
  };

  current = (): PhoneState => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  order = (command: Command): void => {
    this.tabs?.order(command);
  };

  /** The agent signs out: nothing rings here any more. */
  signOut = async (): Promise<void> => {
    if (this.state.choice !== "page" || this.state.link.kind === "off") return;
    this.hangUpAll();
    await body(api.DELETE("/api/v1/me/phone")).catch(() => undefined);
  };

  /** The call that the agent is in. When we don't have it, we were loaded anew in its midst. */
  serverSays = (callId: string | null): void => {
    this.callId = callId;
    const { talk } = this.state;
    if (talk.kind === "none") void this.comeBack();
    else this.letGo();
  };

  /** Was our call given to somebody else while this page was away? Says whether it is let go. */
  private letGo(): boolean {
    const { talk } = this.state;
    if (talk.kind !== "talking" || talk.flows || talk.callId === this.callId) return false;
    this.sip?.hangUp(talk.session);
    return true;
  }

  private get leads(): boolean {
    return this.tabs?.leads === true;
  }

  // --- what people do -----------------------------------------------------------------------

  private async obey(command: Command): Promise<void> {
    const { talk } = this.state;
    const session = talk.kind === "none" ? 0 : talk.session;
    switch (command.do) {
      case "use":
        remember("phone", command.phone);
        this.apply({ type: "chosen", choice: command.phone });
        if (command.phone === "page") await this.connect();
        else {
          this.hangUpAll();
          await body(api.DELETE("/api/v1/me/phone")).catch(() => undefined);
        }
        break;
      case "take_over":
        await this.connect(true);
        break;
      case "retry":
        await this.connect();
        break;
      case "answer":
        if (talk.kind === "ringing") await this.answer(talk.session);
        break;
      case "reject":
        if (talk.kind === "ringing") this.sip?.reject(session);
        break;
      case "hang_up":
        if (talk.kind === "ringing") this.sip?.reject(session);
        else this.sip?.hangUp(session);
        break;
      case "mute":
        this.sip?.mute(session, command.on);
        this.apply({ type: "muted", muted: command.on });
        break;
      case "hold":
        if (this.sip?.hold(session, command.on) === true) {
          this.apply({ type: "held", held: command.on });
        }
        break;
      case "keys":
        if (talk.kind === "talking") this.sip?.keys(session, command.keys);
        break;
      case "sound":
        await this.adjustSound();
        break;
      default:
        assertNever(command);
    }
  }

  private async answer(session: number): Promise<void> {
    this.apply({ type: "answering", session });
    this.bell?.stop();
    try {
      this.microphone ??= await openMicrophone();
    } catch {
      this.sip?.reject(session);
      this.apply({ type: "refused", why: "no_microphone" });
      return;
    }
    this.sip?.answer(session, this.microphone);
  }

  private async adjustSound(): Promise<void> {
    this.ear?.adjust();
    const { talk } = this.state;
    if (talk.kind !== "talking" || this.microphone === null) return;
    const before = this.microphone;
    try {
      this.microphone = await openMicrophone();
    } catch {
      return; // the one before goes on
    }
    await this.sip?.speakThrough(talk.session, this.microphone);
    if (talk.muted) this.sip?.mute(talk.session, true);
    closeMicrophone(before);
  }

  // --- being the phone ----------------------------------------------------------------------

  private async connect(takeOver = false): Promise<void> {
    if (this.asking || this.state.choice !== "page" || !this.leads) return;
    this.asking = true;
    clearTimeout(this.retry);
    this.apply({ type: "connecting" });
    try {
      const credentials = await body(
        api.POST("/api/v1/me/phone", { body: { device: device(), take_over: takeOver } }),
      );
      await this.register(credentials);
    } catch (error) {
      this.notAdmitted(error);
    } finally {
      this.asking = false;
    }
  }

  private async register(credentials: PhoneCredentials): Promise<void> {
    if (this.sip !== null) {
      this.sip.renew(credentials);
      return;
    }
    // Who does not use the page as a phone does not load what it takes.
    const { SipPhone } = await import("./sip");
    this.ear ??= new Earpiece();
    this.bell ??= new Ringer();
    this.sip = new SipPhone(credentials, this.hear);
    this.sip.start();
  }

  private notAdmitted(error: unknown): void {
    if (error instanceof ApiError && error.code === "phone_elsewhere") {
      this.hangUpAll();
      this.apply({ type: "elsewhere" });
    } else if (error instanceof ApiError && error.code === "needs_https") {
      this.apply({ type: "refused", why: "needs_https" });
    } else if (!(error instanceof ApiError && error.status === 401)) {
      this.apply({ type: "refused", why: "unavailable" });
      this.retry = setTimeout(() => void this.connect(), RETRY_MS);
    }
  }

  private hear = (event: SipEvent): void => {
    switch (event.type) {
      case "registered":
        this.apply({ type: "registered" });
        this.mends({ type: "connected" });
        if (this.state.talk.kind === "none") void this.comeBack();
        break;
      case "disconnected":
        this.apply({ type: "disconnected" });
        this.mends({ type: "disconnected" });
        break;
      case "unwelcome":
        void this.connect();
        break;
      case "rings":
        this.apply(event);
        if (event.atOnce) void this.answerAtOnce(event.session);
        else this.bell?.ring();
        break;
      case "talks":
        this.apply(event);
        if (this.state.talk.kind === "talking" && this.state.talk.muted) {
          this.sip?.mute(event.session, true);
        }
        break;
      case "audio":
        this.ear?.play(event.stream);
        break;
      case "flows":
        this.apply(event);
        if (this.state.talk.kind !== "talking" || this.state.talk.session !== event.session) break;
        if (event.flows) this.mends({ type: "heard" });
        else this.mends({ type: "quiet", connected: this.state.link.kind === "registered" });
        break;
      case "over":
        this.bell?.stop();
        this.apply(event);
        if (this.state.talk.kind === "none") this.mends({ type: "over" });
        if (this.sip?.idle !== false) this.quiet();
        break;
      default:
        assertNever(event);
    }
  };

  private async answerAtOnce(session: number): Promise<void> {
    try {
      this.microphone ??= await openMicrophone();
      this.sip?.answer(session, this.microphone);
    } catch {
      this.sip?.reject(session);
      this.apply({ type: "refused", why: "no_microphone" });
    }
  }

  // --- when the network changes -------------------------------------------------------------

  private mends(event: MendEvent): void {
    // Without a call nothing is to be mended: the registration comes back by itself.
    if (event.type === "over" || this.state.talk.kind === "talking") this.mender.take(event);
  }

  private async restart(): Promise<void> {
    const before = this.state.talk;
    if (before.kind !== "talking") return;
    const taken = await this.sip?.restart(before.session);
    const { talk } = this.state;
    if (talk.kind !== "talking" || talk.session !== before.session) return;
    if (taken === "agreed") this.mends({ type: "agreed", flows: talk.flows });
    else if (taken === "refused") this.mends({ type: "refused" });
    else if (taken === "over") {
      this.sip?.hangUp(talk.session);
      void this.comeBack();
    }
  }

  /** The connection is of the network before, and may never say that it is dead. */
  private isOnLine = (): void => {
    if (this.leads && this.state.choice === "page") this.sip?.reconnect();
  };

  /** Ask for the call that this page had. */
  private async comeBack(): Promise<void> {
    const { link, talk } = this.state;
    const missing = talk.kind === "none" || (talk.kind === "talking" && !talk.flows);
    if (!this.leads || link.kind !== "registered" || !missing) return;
    // A page that has slept may hear so before it notices that nobody speaks any more.
    if (this.letGo() || this.callId === null) return;
    const now = performance.now();
    if (now - this.askedAt < ASKED_MS) return;
    this.askedAt = now;
    await body(api.POST("/api/v1/me/phone/return")).catch(() => undefined); // it was a phone's, or is over
  }

  private quiet(): void {
    this.ear?.stop();
    closeMicrophone(this.microphone);
    this.microphone = null;
  }

  private hangUpAll(): void {
    clearTimeout(this.retry);
    this.bell?.stop();
    this.sip?.stop();
    this.sip = null;
    this.quiet();
  }

  /** Closed, or loaded anew: the server need not wait until it has noticed by itself. */
  private leaves = (): void => {
    if (this.leads && this.sip !== null) lastWord("/api/v1/me/phone/leave");
  };

  // --- what is shown ------------------------------------------------------------------------

  private apply(event: PhoneEvent): void {
    this.show(step(this.state, event));
    this.tabs?.publish(this.state);
  }

  private show(state: PhoneState): void {
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
