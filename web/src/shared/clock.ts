/**
 * The server's time. Timers count from what the server says, and the clocks of desks are often
 * minutes off: the Date header of its answers tells by how much.
 */

let offset = 0;

/** Takes in a Date header. It counts whole seconds, so a small difference means nothing. */
export function noteServerTime(header: string | null, local = Date.now()): void {
  const server = header === null ? NaN : Date.parse(header);
  if (Number.isNaN(server)) return;
  const difference = server + 500 - local;
  offset = Math.abs(difference) < 2000 ? 0 : difference;
}

/** Now, as the server sees it, in milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + offset;
}
