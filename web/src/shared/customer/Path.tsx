import type { PathStep } from "../api";
import { useI18n } from "../i18n";
import { Icon } from "../icons";

/** The way through the flow: which nodes, and what the caller did there. */
export function Path({ steps }: { steps: readonly PathStep[] }) {
  const { t } = useI18n();
  return (
    <ol className="path" aria-label={t("learned.path")}>
      {steps.map((step, place) => (
        <li key={`${step.at} ${String(place)}`}>
          {place > 0 && <Icon name="chevronRight" size={14} />}
          <span className="path-step">
            {readable(step.node_id)}
            {step.result !== "" && <b>{readable(step.result)}</b>}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** Names that flows give are written for machines. */
export function readable(name: string): string {
  return name.replaceAll(/[_-]/g, " ");
}
