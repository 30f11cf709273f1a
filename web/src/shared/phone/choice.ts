import { remember, remembered } from "../remembered";
import type { Choice } from "./state";

/** Which phone was chosen in this browser. */
export function chosen(): Choice {
  const kept = remembered("phone");
  return kept === "page" || kept === "own" ? kept : "open";
}

/** This browser's own name for itself. */
export function device(): string {
  const kept = remembered("device");
  if (kept !== null) return kept;
  const made = [...crypto.getRandomValues(new Uint8Array(12))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  remember("device", made);
  return made;
}
