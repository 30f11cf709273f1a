import type { PathStep } from "../api";
import { textOr, useI18n } from "../i18n";
import type { Translate } from "../i18n";
import { Icon } from "../icons";

// Nodes that want an answer; what the others say is the same for everybody.
const ASKING = new Set(["menu", "gather", "listen", "confirm"]);

/** The way through the flow: which nodes, what the caller did there, and what was asked and heard. */
export function Path({ steps }: { steps: readonly PathStep[] }) {
  const { t } = useI18n();
  const asked = steps.filter(({ kind, said }) => ASKING.has(kind) && said !== "");
  return (
    <>
      <ol className="path" aria-label={t("learned.path")}>
        {steps.map((step, place) => (
          <li key={`${step.at} ${String(place)}`}>
            {place > 0 && <Icon name="chevronRight" size={14} />}
            <span className="path-step">
              {readable(step.node_id)}
              {step.result !== "" && <b>{outcome(step.result, t)}</b>}
            </span>
          </li>
        ))}
      </ol>
      {asked.length > 0 && (
        <ol className="asked" aria-label={t("learned.asked")} data-testid="asked">
          {asked.map(({ at, said, heard, result }) => (
            <li key={at}>
              <q>{said}</q>
              <span className="answer">
                <span className="spoken">{t("learned.answer")}</span>
                {heard === "" ? outcome(result, t) || t("learned.no_answer") : <q>{heard}</q>}
              </span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

/** What came of a node: by which means the answer was given, or what the flow calls it. */
function outcome(result: string, t: Translate): string {
  const key = /^key ([0-9*#A-D])$/.exec(result)?.[1];
  return key === undefined ? readable(textOr(t, "path.", result)) : t("path.key", { key });
}

/** Names that flows give are written for machines. */
export function readable(name: string): string {
  return name.replaceAll(/[_-]/g, " ");
}
