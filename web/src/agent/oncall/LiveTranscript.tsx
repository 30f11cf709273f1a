import { useLive } from "../../shared/live";
import { SaidPanel } from "../../shared/SaidPanel";
import { useMe } from "../../shared/session";

/** What both sides say, as it is heard; nothing where the queue does not want it. */
export function LiveTranscript({ callId }: { callId: string }) {
  const { centre } = useLive();
  const { agent } = useMe();
  const transcript = centre.transcripts[callId];
  if (transcript === undefined || transcript.agent_id !== agent?.id) return null;
  return <SaidPanel transcript={transcript} own />;
}
