import { useLayoutEffect, useRef } from "react";
import type { RefObject } from "react";

/**
 * Marks when the pop could first be seen, so that anybody can measure how long that took:
 * `data-shown-at` on the element (milliseconds since 1970), `data-pop-at` on the document and a
 * performance mark named `pop`; `data-offered-at` on the element is the server's time of the offer.
 * A page in the background paints nothing; there it is the moment
 * at which the pop was ready.
 */
export function useShownAt(ringing: boolean): RefObject<HTMLElement | null> {
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const pop = element.current;
    if (!ringing || pop === null) return undefined;
    const mark = () => {
      const now = String(Date.now());
      pop.dataset.shownAt = now;
      document.documentElement.dataset.popAt = now;
    };
    mark();
    performance.mark("pop");
    const channel = new MessageChannel();
    // A frame's callback runs before it is painted, a message posted in it after.
    channel.port1.onmessage = mark;
    const frame = requestAnimationFrame(() => {
      channel.port2.postMessage(null);
    });
    return () => {
      cancelAnimationFrame(frame);
      channel.port1.close();
    };
  }, [ringing]);
  return element;
}
