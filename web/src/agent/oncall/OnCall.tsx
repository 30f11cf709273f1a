import { CallActions } from "./CallActions";
import { useConversation } from "./useConversation";

/** The actions for a call, once the agent is in it. */
export function OnCall({ callId }: { callId: string }) {
  const conversation = useConversation(callId);
  return conversation === null ? null : <CallActions conversation={conversation} />;
}
