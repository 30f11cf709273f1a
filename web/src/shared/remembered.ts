/** What this browser remembers from visit to visit; nothing when its storage is closed to us. */

type Name = "device" | "dial-queue" | "language" | "phone" | "shortcuts" | "sound";

export function remembered(name: Name): string | null {
  try {
    return localStorage.getItem(`centralita.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: Name, value: string): void {
  try {
    localStorage.setItem(`centralita.${name}`, value);
  } catch {
    // Private windows may refuse: the choice then lasts for this visit.
  }
}
