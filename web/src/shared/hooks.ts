import { useEffect, useState } from "react";
import { serverNow } from "./clock";

/** The server's time now, told again every `every` milliseconds. */
export function useNow(every = 1000): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(serverNow());
    }, every);
    return () => {
      clearInterval(timer);
    };
  }, [every]);
  return now;
}

/** Seconds since a moment, as of now. */
export function secondsSince(time: string, now: number): number {
  return Math.max(0, (now - Date.parse(time)) / 1000);
}
