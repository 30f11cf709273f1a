import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import { PagePhone } from "./phone";
import { SILENT } from "./state";
import type { PhoneState } from "./state";
import type { Command } from "./tabs";

export type { Command } from "./tabs";
export type { Link, PhoneState, Refusal, Talk } from "./state";

interface Phone {
  readonly state: PhoneState;
  readonly order: (command: Command) => void;
  readonly signOut: () => Promise<void>;
}

const Context = createContext<PagePhone | null>(null);
const NOTHING = () => () => undefined;

interface Props {
  readonly userId: string;
  /** The call that the server says is this agent's, if there is one. */
  readonly callId: string | null;
  readonly children: ReactNode;
}

/** Makes the page a phone for as long as an agent is signed in who wants it to be. */
export function PhoneProvider({ userId, callId, children }: Props) {
  const [phone] = useState(() => new PagePhone(userId));
  useEffect(() => {
    phone.start();
    return phone.stop;
  }, [phone]);
  useEffect(() => {
    phone.serverSays(callId);
  }, [callId, phone]);
  return <Context value={phone}>{children}</Context>;
}

/** The phone as of now, and what can be done with it. */
export function usePhone(): Phone {
  const phone = useContext(Context);
  const state = useSyncExternalStore(phone?.subscribe ?? NOTHING, phone?.current ?? silent);
  return {
    state,
    order: phone?.order ?? (() => undefined),
    signOut: phone?.signOut ?? (() => Promise.resolve()),
  };
}

function silent(): PhoneState {
  return SILENT;
}
