import * as JsSIP from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { IncomingRequest } from "jssip/lib/SIPMessage";
import type { PhoneCredentials } from "../api";
import { restartIce } from "./restart";
import type { Restart } from "./restart";
import { VoiceWatch } from "./voice";

/** What the SIP side tells. */
export type SipEvent =
  | { readonly type: "registered" }
  | { readonly type: "disconnected" }
  /** The server does not take our secret any more: a new one is needed, or we are not the phone. */
  | { readonly type: "unwelcome" }
  | {
      readonly type: "rings";
      readonly session: number;
      readonly callId: string;
      readonly caller: string;
      /** A call that this page had, or asked for: it is answered without anybody. */
      readonly atOnce: boolean;
    }
  | { readonly type: "talks"; readonly session: number; readonly callId: string; readonly caller: string }
  | { readonly type: "audio"; readonly session: number; readonly stream: MediaStream }
  | { readonly type: "flows"; readonly session: number; readonly flows: boolean }
  | { readonly type: "over"; readonly session: number };

// Candidates of this machine come within milliseconds; a relay may take its time.
const GATHERING_MS = { near: 60, far: 1500 };
// A network that swallows everything would be waited for by the browser for minutes.
const CONNECTING_MS = 4000;
const BUSY = { status_code: 486 };
const DECLINED = { status_code: 603 };

/** What JsSIP has, and its types leave out. */
interface Connected {
  readonly transport: { connect(): void; disconnect(): void };
}

interface Line {
  readonly session: RTCSession;
  readonly callId: string;
  readonly caller: string;
}

/** The page as a SIP phone: JsSIP, with what we know of our server. Loaded when it is needed. */
export class SipPhone {
  private readonly ua: JsSIP.UA;
  private readonly lines = new Map<number, Line>();
  private iceServers: RTCIceServer[];
  private count = 0;
  private restarting = false;
  private connecting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    credentials: PhoneCredentials,
    private readonly tell: (event: SipEvent) => void,
  ) {
    this.iceServers = iceServers(credentials);
    const { extension, domain, password, websocket } = credentials;
    this.ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(websocket)],
      uri: `sip:${extension}@${domain}`,
      password,
      register: true,
      register_expires: 120,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: "Centralita page",
    });
    this.ua.on("connecting", () => {
      clearTimeout(this.connecting);
      this.connecting = setTimeout(() => {
        this.reconnect();
      }, CONNECTING_MS);
    });
    this.ua.on("connected", () => {
      clearTimeout(this.connecting);
    });
    this.ua.on("registered", () => {
      tell({ type: "registered" });
    });
    this.ua.on("disconnected", () => {
      tell({ type: "disconnected" });
    });
    this.ua.on("registrationFailed", ({ response }) => {
      // Without an answer it is the connection, which comes back by itself.
      const status = (response as { status_code?: number } | null)?.status_code ?? 0;
      tell(status >= 400 && status < 500 ? { type: "unwelcome" } : { type: "disconnected" });
    });
    this.ua.on("newRTCSession", (event: { originator: string; session: RTCSession; request: unknown }) => {
      if (event.originator === "remote") this.comes(event.session, event.request as IncomingRequest);
    });
  }

  /** Whether no call is here, nor on its way. */
  get idle(): boolean {
    return this.lines.size === 0;
  }

  start(): void {
    this.ua.start();
  }

  /** Ends everything: calls are hung up, the registration is withdrawn. */
  stop(): void {
    clearTimeout(this.connecting);
    this.ua.stop();
  }

  /** Leave the connection, which may be one of a network that has gone, for a new one. */
  reconnect(): void {
    const { transport } = this.ua as unknown as Connected;
    transport.disconnect();
    transport.connect();
  }

  /** Have the server find another way for the audio of a call. */
  async restart(session: number): Promise<Restart> {
    const line = this.lines.get(session);
    if (line === undefined || this.restarting) return "lost";
    this.restarting = true;
    try {
      return await restartIce(line.session, (connection) => this.gathered(connection));
    } catch {
      return "refused"; // the browser did not take what was said
    } finally {
      this.restarting = false;
    }
  }

  /** New secrets, for a phone that goes on with its calls. */
  renew(credentials: PhoneCredentials): void {
    this.iceServers = iceServers(credentials);
    this.ua.set("password", credentials.password);
    this.ua.register();
  }

  answer(session: number, microphone: MediaStream): void {
    const line = this.lines.get(session);
    line?.session.answer({
      mediaStream: microphone,
      pcConfig: { iceServers: this.iceServers, rtcpMuxPolicy: "require" },
    });
  }

  reject(session: number): void {
    this.end(session, DECLINED);
  }

  hangUp(session: number): void {
    this.end(session);
  }

  mute(session: number, on: boolean): void {
    const line = this.lines.get(session);
    if (on) line?.session.mute({ audio: true });
    else line?.session.unmute({ audio: true });
  }

  /** Whether the server could be asked: it cannot while another change is on its way. */
  hold(session: number, on: boolean): boolean {
    const line = this.lines.get(session);
    if (line === undefined || this.restarting) return false;
    return on ? line.session.hold() : line.session.unhold();
  }

  keys(session: number, keys: string): void {
    this.lines.get(session)?.session.sendDTMF(keys, {
      transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833,
      duration: 120,
      interToneGap: 80,
    });
  }

  /** Speak through another microphone from now on. */
  async speakThrough(session: number, microphone: MediaStream): Promise<void> {
    const [track] = microphone.getAudioTracks();
    const connection = this.lines.get(session)?.session.connection;
    const sender = connection?.getSenders().find((one) => one.track?.kind === "audio");
    if (track !== undefined) await sender?.replaceTrack(track);
  }

  private comes(session: RTCSession, request: IncomingRequest): void {
    this.count += 1;
    const number = this.count;
    const callId = header(request, "X-Centralita-Call");
    // A call that comes back to its page, or one that was dialled on the page.
    const atOnce =
      header(request, "X-Centralita-Answer") === "now" ||
      /;\s*answer-after=0\b/.test(header(request, "Call-Info"));
    const before = [...this.lines].filter(([, line]) => line.callId === callId);
    if (this.lines.size > before.length || (before.length > 0 && !atOnce)) {
      session.terminate(BUSY);
      return;
    }
    const caller = session.remote_identity.uri.user;
    this.lines.set(number, { session, callId, caller });
    session.on("peerconnection", ({ peerconnection }) => {
      this.watch(number, session, peerconnection);
    });
    this.gather(session);
    session.on("confirmed", () => {
      this.tell({ type: "talks", session: number, callId, caller });
      // The dialog that the call had here before has been replaced.
      for (const [old] of before) this.end(old);
    });
    const over = () => {
      this.lines.delete(number);
      this.tell({ type: "over", session: number });
    };
    session.on("ended", over);
    session.on("failed", over);
    this.tell({ type: "rings", session: number, callId, caller, atOnce });
  }

  private watch(number: number, session: RTCSession, connection: RTCPeerConnection): void {
    connection.addEventListener("track", ({ streams, track }) => {
      this.tell({ type: "audio", session: number, stream: streams[0] ?? new MediaStream([track]) });
    });
    const watch = new VoiceWatch(connection, (flows) => {
      this.tell({ type: "flows", session: number, flows });
    });
    session.on("ended", () => {
      watch.stop();
    });
    session.on("failed", () => {
      watch.stop();
    });
  }

  /** Answers as soon as there is a way, and not when the last candidate has timed out. */
  private gather(session: RTCSession): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    session.on("icecandidate", ({ candidate, ready }) => {
      clearTimeout(timer);
      timer = setTimeout(ready, this.patience(candidate));
    });
  }

  /** The same for an offer of ours. */
  private gathered(connection: RTCPeerConnection): Promise<void> {
    return new Promise((resolve) => {
      let timer = setTimeout(resolve, GATHERING_MS.far);
      connection.addEventListener("icecandidate", ({ candidate }) => {
        clearTimeout(timer);
        timer = setTimeout(resolve, candidate === null ? 0 : this.patience(candidate));
      });
    });
  }

  private patience(candidate: RTCIceCandidate): number {
    const far = this.iceServers.length > 0 && candidate.type !== "relay";
    return far ? GATHERING_MS.far : GATHERING_MS.near;
  }

  private end(session: number, how: { status_code?: number } = {}): void {
    const line = this.lines.get(session);
    if (line !== undefined && !line.session.isEnded()) line.session.terminate(how);
  }
}

function iceServers(credentials: PhoneCredentials): RTCIceServer[] {
  return credentials.ice_servers.map(({ urls, username, credential }) =>
    username === "" ? { urls } : { urls, username, credential },
  );
}

function header(request: IncomingRequest, name: string): string {
  // Its type promises more than it does: an absent header is undefined.
  const found: unknown = request.getHeader(name);
  return typeof found === "string" ? found : "";
}
