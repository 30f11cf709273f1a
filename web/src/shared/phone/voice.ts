// A browser needs five seconds to notice that its network has gone; packets tell sooner.
const LOOK_MS = 250;
const QUIET_MS = 1200;

/** Watches whether voice comes by a connection, and tells when that changes. */
export class VoiceWatch {
  private readonly timer: ReturnType<typeof setInterval>;
  private packets = -1;
  private heardAt = performance.now();
  private flows: boolean | null = null;

  constructor(
    private readonly connection: RTCPeerConnection,
    private readonly tell: (flows: boolean) => void,
  ) {
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    connection.addEventListener("iceconnectionstatechange", () => {
      this.judge();
    });
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.connection.signalingState === "closed") {
      this.stop();
      return;
    }
    const packets = await packetsOf(this.connection);
    if (packets !== this.packets || !listens(this.connection)) this.heardAt = performance.now();
    this.packets = packets;
    this.judge();
  }

  private judge(): void {
    const { iceConnectionState: ice } = this.connection;
    // Before the first way was found nothing is amiss.
    if (this.flows === null && ice !== "connected" && ice !== "completed" && ice !== "failed") return;
    const broken = ice === "disconnected" || ice === "failed";
    const flows = !broken && performance.now() - this.heardAt < QUIET_MS;
    if (flows === this.flows) return;
    this.flows = flows;
    this.tell(flows);
  }
}

async function packetsOf(connection: RTCPeerConnection): Promise<number> {
  let packets = 0;
  (await connection.getStats()).forEach((one: RTCStats) => {
    if (one.type === "inbound-rtp") packets += (one as RTCInboundRtpStreamStats).packetsReceived ?? 0;
  });
  return packets;
}

/** Whether voice is agreed to come: the server sends none to a call that it holds. */
function listens(connection: RTCPeerConnection): boolean {
  return connection
    .getTransceivers()
    .some(({ currentDirection: way }) => way === "sendrecv" || way === "recvonly");
}
