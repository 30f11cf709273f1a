import { Badge } from "@mantine/core";
import type { Case } from "../api";
import { ago } from "../format";
import { useNow } from "../hooks";
import { useI18n } from "../i18n";
import { Icon } from "../icons";

/** The cases that are not solved yet, the one that moved last first. */
export function OpenCases({ cases }: { cases: readonly Case[] }) {
  const { t, language } = useI18n();
  const now = useNow(30_000);
  const open = cases.filter((one) => one.state !== "solved");
  if (open.length === 0) return null;
  return (
    <section className="cases" aria-label={t("case.open_cases")} data-testid="open-cases">
      {open.map((one) => (
        <div className="case" key={one.id} data-state={one.state}>
          <Icon name="briefcase" size={17} />
          <b>{one.subject}</b>
          <Badge variant="outline" size="sm" className="warn-badge">
            {t(`case.state.${one.state}`)}
          </Badge>
          <span className="dimmed">
            {t("case.updated", { time: ago(one.updated_at, language, now) })}
          </span>
        </div>
      ))}
    </section>
  );
}
