import { useEffect } from "react";
import { remember, remembered } from "./remembered";

/** One-key shortcuts can be switched off: people who dictate would set them off by speaking. */
export function shortcutsEnabled(): boolean {
  return remembered("shortcuts") !== "off";
}

export function enableShortcuts(on: boolean): void {
  remember("shortcuts", on ? "on" : "off");
}

/** Inputs into which nothing is written: what they understand are the arrows, space and Enter. */
const CHOOSING = new Set(["radio", "checkbox", "button", "submit", "reset", "range", "color", "file", "image"]);
const CHOOSES = /^( |Enter|Arrow.*|Home|End|Page.*)$/;

function isTyping(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && CHOOSING.has(target.type)) return CHOOSES.test(key);
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/** Keys and what they do, while nobody is typing and no dialog is open. */
export function useShortcuts(keys: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    function pressed(event: KeyboardEvent): void {
      // A key that is held down is pressed once.
      if (event.repeat) return;
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (isTyping(event.target, event.key) || document.querySelector("[role=dialog],[role=menu]") !== null) return;
      const action = keys[event.key];
      if (action === undefined || (event.key !== "?" && !shortcutsEnabled())) return;
      event.preventDefault();
      action();
    }
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", pressed);
    };
  }, [keys]);
}
