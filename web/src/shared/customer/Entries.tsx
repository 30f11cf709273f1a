import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import type { Range } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Interaction } from "../api";
import type { Place } from "../route";
import { Entry } from "./Entry";

// So high is an entry before it has been measured, in pixels.
const GUESS = 110;
const BEYOND = 6;
// More is asked for when so few entries are left below what is in sight.
const SOON = 20;

interface Props {
  readonly entries: readonly Interaction[];
  readonly place: Place | null;
  readonly said: Readonly<Record<string, string>>;
  readonly more: boolean;
  readonly loading: boolean;
  readonly onMore: () => void;
}

/**
 * A list of any length: only what is in sight is in the page, and what is unfolded, since a
 * recording that plays must not stop when one scrolls on. More is fetched before the end is reached.
 */
export function Entries({ entries, place, said, more, loading, onMore }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(place === null ? [] : [place.entry]));
  useLayoutEffect(() => {
    const above = list.current;
    if (above === null) return undefined;
    // What stands above the list may grow: a note that is written, a notice.
    const measure = () => {
      setTop(Math.round(above.getBoundingClientRect().top + window.scrollY));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => {
      observer.disconnect();
    };
  }, []);

  const rangeExtractor = useCallback(
    (range: Range) => {
      const unfolded = entries.flatMap((entry, index) => (open.has(entry.id) ? [index] : []));
      return [...new Set([...defaultRangeExtractor(range), ...unfolded])].sort((a, b) => a - b);
    },
    [entries, open],
  );
  // The same function always: an entry is drawn again only when it has changed, not as one scrolls.
  const unfold = useCallback((id: string, on: boolean) => {
    setOpen((before) => {
      const after = new Set(before);
      if (on) after.add(id);
      else after.delete(id);
      return after;
    });
  }, []);
  const rows = useWindowVirtualizer({
    count: entries.length,
    estimateSize: () => GUESS,
    getItemKey: (index) => entries[index]?.id ?? index,
    overscan: BEYOND,
    scrollMargin: top,
    rangeExtractor,
  });
  const last = rows.range?.endIndex ?? 0;
  const wanted = more && !loading && last >= entries.length - SOON;
  useEffect(() => {
    if (wanted) onMore();
  }, [wanted, onMore]);

  return (
    <div
      ref={list}
      className="entries"
      role="list"
      style={{ height: rows.getTotalSize() }}
      aria-busy={loading}
      data-testid="entries"
      data-loaded={entries.length}
    >
      {rows.getVirtualItems().map((row) => {
        const entry = entries[row.index];
        if (entry === undefined) return null;
        return (
          <div
            key={row.key}
            ref={rows.measureElement}
            data-index={row.index}
            role="listitem"
            aria-posinset={row.index + 1}
            aria-setsize={more ? -1 : entries.length}
            className="entry-row"
            data-last={(!more && row.index === entries.length - 1) || undefined}
            style={{ transform: `translateY(${String(row.start - top)}px)` }}
          >
            <Entry
              entry={entry}
              place={place?.entry === entry.id ? place : null}
              said={said[entry.id] ?? ""}
              open={open.has(entry.id)}
              onOpen={unfold}
            />
          </div>
        );
      })}
    </div>
  );
}
