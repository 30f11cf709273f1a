import { useLive } from "../../shared/live";
import { conversationOf } from "../../shared/live";
import { CallActions } from "./CallActions";

/** The actions for a call, once the agent is in it. */
export function OnCall({ callId, agentId }: { callId: string; agentId: string }) {
  const { centre } = useLive();
  const conversation = conversationOf(centre, agentId);
  return conversation?.call_id === callId ? <CallActions conversation={conversation} /> : null;
}
