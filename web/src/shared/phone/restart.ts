import type { RTCSession } from "jssip/lib/RTCSession";

/**
 * How the server took an ICE restart: `over` when it does not know the call any more, `lost` when no
 * answer came, because the connection broke.
 */
export type Restart = "agreed" | "refused" | "over" | "lost";

/** What JsSIP has, and its types leave out. */
interface Dialogue {
  sendRequest(
    method: "INVITE" | "ACK",
    options?: {
      extraHeaders: string[];
      body: string;
      eventHandlers: Record<string, (response: { body: string }) => void>;
    },
  ): void;
}

/**
 * Ask the server for another way for the audio of a call: an ICE restart in a re-INVITE, which also
 * tells it by which connection this page is reached now. `gathered` resolves when the candidates that
 * the page has found are enough.
 *
 * JsSIP's own `renegotiate` would hang up when the answer is no.
 */
export async function restartIce(
  session: RTCSession,
  gathered: (connection: RTCPeerConnection) => Promise<void>,
): Promise<Restart> {
  const connection: RTCPeerConnection = session.connection;
  if (!session.isEstablished() || !session.isReadyToReOffer()) return "lost";
  const offer = await connection.createOffer({ iceRestart: true });
  const found = gathered(connection);
  await connection.setLocalDescription(offer);
  await found;
  const sdp = connection.localDescription?.sdp ?? "";
  const answer = await ask(session, withheld(session.isOnHold().local ? onHold(sdp) : sdp));
  if (typeof answer === "string") {
    if (connection.signalingState === "have-local-offer") {
      await connection.setLocalDescription({ type: "rollback" });
    }
    return answer;
  }
  await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  return "agreed";
}

function ask(session: RTCSession, sdp: string): Promise<{ sdp: string } | Exclude<Restart, "agreed">> {
  const dialogue = session as unknown as Dialogue;
  return new Promise((resolve) => {
    const refused = () => {
      resolve("refused");
    };
    const lost = () => {
      resolve("lost");
    };
    dialogue.sendRequest("INVITE", {
      extraHeaders: [`Contact: ${session.contact}`, "Content-Type: application/sdp"],
      body: sdp,
      eventHandlers: {
        onSuccessResponse: ({ body }) => {
          // Each time that it comes: the one before may have been lost.
          dialogue.sendRequest("ACK");
          resolve({ sdp: body });
        },
        onErrorResponse: refused,
        onDialogError: () => {
          resolve("over");
        },
        onTransportError: lost,
        onRequestTimeout: lost,
      },
    });
  });
}

/**
 * An offer that does not say by which ports this page is reached, so that its own checks come first.
 *
 * The server's would be here before its answer is; browsers refuse what they cannot place yet, and
 * pjnath takes one refusal for the end. What it is told of leads to the port of the service discard.
 */
function withheld(sdp: string): string {
  const address = /^c=IN IP4 (\S+)/m.exec(sdp)?.[1] ?? "0.0.0.0";
  if (address === "0.0.0.0") return sdp;
  return sdp
    .replace(/^a=candidate:.*\r\n/gm, "")
    .replace(/^m=audio \d+/m, "m=audio 9")
    .replace(/^a=ice-ufrag:/m, `a=candidate:1 1 udp 1 ${address} 9 typ host\r\na=ice-ufrag:`);
}

/** JsSIP holds a call in what it says, not in the connection. */
function onHold(sdp: string): string {
  return sdp.replace(/^a=sendrecv/gm, "a=sendonly").replace(/^a=recvonly/gm, "a=inactive");
}
