import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import { LiveConnection } from "./connection";
import type { Live } from "./connection";

export { contactOf, conversationOf } from "./state";
export type {
  Contact,
  LiveCall,
  LiveConversation,
  LiveParked,
  LiveQueue,
  LiveTranscript,
} from "./state";

const Context = createContext<LiveConnection | null>(null);

/** Watches the centre for as long as somebody is signed in. */
export function LiveProvider({ onSignedOut, children }: { onSignedOut: () => void; children: ReactNode }) {
  const [connection] = useState(() => new LiveConnection(onSignedOut));
  useEffect(() => {
    connection.start();
    return connection.stop;
  }, [connection]);
  return <Context value={connection}>{children}</Context>;
}

/** The centre as of now. */
export function useLive(): Live {
  const connection = useContext(Context);
  if (connection === null) throw new Error("useLive outside of LiveProvider");
  return useSyncExternalStore(connection.subscribe, connection.current);
}
