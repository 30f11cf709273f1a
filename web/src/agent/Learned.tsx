import { Text, Title } from "@mantine/core";
import type { PathStep } from "../shared/api";
import { Path, readable } from "../shared/customer/Path";
import { languageName, phone } from "../shared/format";
import { textOr, useI18n } from "../shared/i18n";

// What every flow knows from the start is said elsewhere on the page.
const SAID_ELSEWHERE = new Set([
  "caller",
  "trunk",
  "customer_id",
  "customer_name",
  "customer_known",
  "customer_segment",
  "confidence",
  "dialled",
]);

// Headers of the call, for flows to decide by.
const HEADER = "header_";

interface Props {
  readonly learned: Readonly<Record<string, unknown>>;
  readonly path: readonly PathStep[];
  readonly dialled: string;
}

/** What the flow found out before the call came here, and the way it took. */
export function Learned({ learned, path, dialled }: Props) {
  const { t, language } = useI18n();
  const facts = Object.entries(learned)
    .filter(([name]) => !SAID_ELSEWHERE.has(name) && !name.startsWith(HEADER))
    .filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]): [string, string] => [
      readable(textOr(t, "learned.", name)),
      name === "language" ? languageName(String(value), language) : plain(value),
    ]);
  const number = dialled === "" ? learned.dialled : dialled;
  if (typeof number === "string" && number !== "") facts.push([t("learned.dialled"), phone(number)]);
  return (
    <section className="card" data-testid="learned">
      <Title order={2} size="h4" mb="xs">
        {t("learned.title")}
      </Title>
      {facts.length === 0 && path.length === 0 && (
        <Text c="dimmed" size="sm">
          {t("learned.nothing")}
        </Text>
      )}
      {facts.length > 0 && (
        <dl className="facts">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {path.length > 0 && <Path steps={path} />}
    </section>
  );
}

function plain(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
}
