import { createContext, useCallback, useContext, useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Icon } from "./icons";
import type { IconName } from "./icons";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: "good" | "bad";
}

interface Announcer {
  /** Spoken at once by screen readers; not shown. */
  readonly say: (text: string) => void;
  /** Shown for some seconds, and spoken. */
  readonly toast: (text: string, kind?: Toast["kind"]) => void;
}

const Context = createContext<Announcer | null>(null);
const SHOWN_MS = 6000;
const ICONS: Record<Toast["kind"], IconName> = { good: "circleCheck", bad: "alert" };

/** The page's voice: one region that is read out at once, one for short notices. */
export function Announcements({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState("");
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const count = useRef(0);

  const toast = useCallback((text: string, kind: Toast["kind"] = "good") => {
    count.current += 1;
    const id = count.current;
    setToasts((shown) => [...shown.slice(-2), { id, text, kind }]);
    setTimeout(() => {
      setToasts((shown) => shown.filter((one) => one.id !== id));
    }, SHOWN_MS);
  }, []);
  const value = useMemo<Announcer>(() => ({ say: setSaid, toast }), [toast]);

  return (
    <Context value={value}>
      {children}
      <div className="spoken" role="alert" aria-live="assertive" data-testid="spoken">
        {said}
      </div>
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map(({ id, text, kind }) => (
          <div key={id} className="toast" data-kind={kind}>
            <Icon name={ICONS[kind]} />
            {text}
          </div>
        ))}
      </div>
    </Context>
  );
}

export function useAnnouncer(): Announcer {
  const value = useContext(Context);
  if (value === null) throw new Error("useAnnouncer outside of Announcements");
  return value;
}
