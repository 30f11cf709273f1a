import { Text, Title } from "@mantine/core";
import { useState } from "react";
import type { ReactNode } from "react";
import type { MyDay as Day } from "../shared/api";
import { Caller } from "../shared/customer/Caller";
import { clockTime, duration, moment } from "../shared/format";
import { useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import type { Key } from "../shared/i18n";
import { useContextOf, useFreshDay, useMyDay } from "../shared/queries";
import { go } from "../shared/route";

const FIGURES = ["calls", "talked", "wrapped_up", "missed", "tasks"] as const;
type Figure = (typeof FIGURES)[number];

/** The agent's own figures of today; each opens what it is made of. */
export function MyDay() {
  const { t } = useI18n();
  const { data: day } = useMyDay();
  useFreshDay();
  const [open, setOpen] = useState<Figure | null>(null);
  if (day === undefined) return null;
  const shown: Record<Figure, string> = {
    calls: String(day.calls),
    talked: duration(day.talked_s),
    wrapped_up: duration(day.wrapped_up_s),
    missed: String(day.missed),
    tasks: String(day.tasks_due),
  };
  return (
    <section className="card my-day" aria-labelledby="my-day-title" data-testid="my-day">
      <Title order={2} size="h4" id="my-day-title" mb="sm">
        {t("day.title")}
      </Title>
      <div className="day-figures">
        {FIGURES.map((figure) => (
          <button
            key={figure}
            type="button"
            className="day-figure"
            aria-expanded={open === figure}
            onClick={() => {
              setOpen(open === figure ? null : figure);
            }}
            data-testid={`day-${figure.replace("_", "-")}`}
          >
            <span className="day-value">{shown[figure]}</span>
            <span className="dimmed">{t(`day.${figure}`)}</span>
          </button>
        ))}
      </div>
      {open !== null && (
        <div className="day-list" role="region" aria-label={t(`day.${open}`)} data-testid="day-list">
          <Behind day={day} figure={open} />
        </div>
      )}
    </section>
  );
}

function Behind({ day, figure }: { day: Day; figure: Figure }) {
  const { t } = useI18n();
  switch (figure) {
    case "missed":
      return (
        <List empty="day.none" items={day.missed_offers}>
          {(one) => (
            <Row key={`${one.call_id} ${one.at}`} at={one.at} caller={one.caller} customerId={one.customer_id}>
              {t(`day.how.${one.how}`)}
            </Row>
          )}
        </List>
      );
    case "tasks":
      return (
        <>
          <List empty="day.none" items={day.tasks}>
            {(task) => (
              <Row
                key={task.id}
                at={task.due_at ?? task.created_at}
                caller={task.caller}
                customerId={task.customer_id}
              >
                {t(`tasks.kind.${task.kind}`)}
              </Row>
            )}
          </List>
          {day.tasks.length > 0 && (
            <a
              href="/tasks"
              onClick={(event) => {
                event.preventDefault();
                go({ page: "tasks" });
              }}
            >
              {t("day.go_tasks")}
            </a>
          )}
        </>
      );
    default:
      return (
        <List empty="day.none" items={day.conversations}>
          {(one) => (
            <Row
              key={`${one.call_id} ${one.ended_at}`}
              at={one.ended_at}
              caller={one.caller}
              customerId={one.customer_id}
            >
              {figure === "wrapped_up"
                ? clockTime(one.wrapped_up_s)
                : t("day.talk_and_wrap_up", {
                    talked: clockTime(one.talked_s),
                    wrapped_up: clockTime(one.wrapped_up_s),
                  })}
            </Row>
          )}
        </List>
      );
  }
}

function List<T>(props: { empty: Key; items: readonly T[]; children: (item: T) => ReactNode }) {
  const { t } = useI18n();
  if (props.items.length === 0) return <Text c="dimmed">{t(props.empty)}</Text>;
  return <ul>{props.items.map(props.children)}</ul>;
}

function Row(props: { at: string; caller: string; customerId: string | null; children: ReactNode }) {
  const { language } = useI18n();
  const now = useNow(60_000);
  const { data: context } = useContextOf(props.customerId);
  const { customerId } = props;
  const name = context?.customer.name ?? "";
  return (
    <li className="day-row">
      <time className="dimmed figures" dateTime={props.at}>
        {moment(props.at, language, now)}
      </time>
      {customerId !== null && name !== "" ? (
        <a
          href={`/customers/${customerId}`}
          onClick={(event) => {
            event.preventDefault();
            go({ page: "customers", customerId });
          }}
        >
          {name}
        </a>
      ) : (
        <Caller caller={props.caller} />
      )}
      <span className="dimmed figures">{props.children}</span>
    </li>
  );
}
