import { conversationOf, useLive } from "../../shared/live";
import type { LiveConversation } from "../../shared/live";
import { useMe } from "../../shared/session";

/** The signed-in agent's conversation in this call, once there is one. */
export function useConversation(callId: string): LiveConversation | null {
  const { centre } = useLive();
  const { agent } = useMe();
  const conversation = agent == null ? null : conversationOf(centre, agent.id);
  return conversation?.call_id === callId ? conversation : null;
}
