import { useCallback, useEffect, useRef, useState } from "react";
import type { Interaction } from "../shared/api";
import { useChangeInteraction } from "../shared/queries";

const PAUSE_MS = 1200;

export type Saving =
  | { readonly state: "clean" }
  | { readonly state: "waiting" }
  | { readonly state: "saving" }
  | { readonly state: "saved" }
  | { readonly state: "failed"; readonly error: unknown };

export interface Draft {
  readonly text: string;
  readonly saving: Saving;
  readonly write: (text: string) => void;
  /** Saves what is not saved yet; rejects when the server does not take it. */
  readonly flush: () => Promise<void>;
}

/**
 * Notes that save themselves in pauses of writing, and when the page moves on: the end of wrap-up
 * must not cost a word; `onSavedLate` is called when it would have. While nothing is unsaved, what other tabs wrote shows here too.
 */
export function useDraft(interaction: Interaction | null, onSavedLate: () => void): Draft {
  const change = useChangeInteraction(interaction?.id ?? null);
  const [draft, setDraft] = useState<string | null>(null);
  const [saving, setSaving] = useState<Saving>({ state: "clean" });
  const unsaved = useRef<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const { mutateAsync } = change;

  const flush = useCallback(async () => {
    clearTimeout(timer.current);
    const text = unsaved.current;
    if (text === null) return;
    setSaving({ state: "saving" });
    try {
      await mutateAsync({ notes: text });
    } catch (error) {
      setSaving({ state: "failed", error });
      throw error;
    }
    // Somebody may have written on while it was being saved.
    if (unsaved.current !== text) return;
    unsaved.current = null;
    setSaving({ state: "saved" });
  }, [mutateAsync]);

  const write = useCallback(
    (text: string) => {
      unsaved.current = text;
      setDraft(text);
      setSaving({ state: "waiting" });
      clearTimeout(timer.current);
      timer.current = setTimeout(() => void flush().catch(() => undefined), PAUSE_MS);
    },
    [flush],
  );

  useEffect(() => {
    const hidden = () => void flush().catch(() => undefined);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      document.removeEventListener("visibilitychange", hidden);
      if (unsaved.current !== null) void flush().then(onSavedLate, () => undefined);
    };
  }, [flush, onSavedLate]);

  const clean = saving.state === "clean" || saving.state === "saved";
  const stored = interaction?.notes ?? "";
  // The answer to a save is a moment older than what it saved: keep showing what was written.
  const text = draft === null || (clean && stored === draft) ? stored : draft;
  return { text, saving, write, flush };
}
