import { createContext, useContext } from "react";
import type { ReactNode } from "react";
import type { Task } from "./api";

/** Calls a number, or lets one be chosen when it is empty; `task` is what it is about. */
export type Dial = (number: string, task?: Task) => void;

const DialContext = createContext<Dial | null>(null);

/** Lets everything inside call numbers. */
export function DialProvider({ dial, children }: { dial: Dial | null; children: ReactNode }) {
  return <DialContext value={dial}>{children}</DialContext>;
}

/** How to call a number from here; null where nobody can. */
export function useDial(): Dial | null {
  return useContext(DialContext);
}
