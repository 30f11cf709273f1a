const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"] as const;
const NAMES: Readonly<Record<string, string>> = { "*": "star", "#": "hash" };

/** The telephone key that was pressed on the keyboard, if it was one. */
export function telephoneKey(event: {
  key: string; ctrlKey: boolean; altKey: boolean; metaKey: boolean;
}): string | null {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  return KEYS.find((key) => key === event.key) ?? null;
}

/** The twelve keys of a telephone. */
export function KeyGrid({ onKey, testId }: { onKey: (key: string) => void; testId: string }) {
  return (
    <div className="keypad-keys">
      {KEYS.map((key) => (
        <button
          key={key}
          type="button"
          onClick={() => {
            onKey(key);
          }}
          data-testid={`${testId}-${NAMES[key] ?? key}`}
        >
          {key}
        </button>
      ))}
    </div>
  );
}
