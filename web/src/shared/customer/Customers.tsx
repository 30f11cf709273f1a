import { SegmentedControl, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useContextOf } from "../queries";
import { go } from "../route";
import type { Place } from "../route";
import { CustomerHead } from "./CustomerHead";
import { CustomerSearch } from "./CustomerSearch";
import { Merges } from "./Merges";
import { OpenCases } from "./OpenCases";
import { SaidSearch } from "./SaidSearch";
import { Timeline } from "./Timeline";

/** Finds customers, and shows one of them with everything that was said. */
export function Customers({ customerId, place }: { customerId: string | null; place: Place | null }) {
  const { t } = useI18n();
  const [search, setSearch] = useState("");
  const [where, setWhere] = useState<"customers" | "said">("customers");
  return (
    <div className="customers" data-chosen={customerId !== null || undefined}>
      <section className="card customer-list" aria-label={t("customer.list")}>
        <SegmentedControl
          fullWidth
          size="xs"
          mb="sm"
          aria-label={t("search.where")}
          value={where}
          onChange={setWhere}
          data={[
            { value: "customers", label: t("nav.customers") },
            { value: "said", label: t("search.said") },
          ]}
        />
        {where === "customers" ? (
          <CustomerSearch
            search={search}
            onSearch={setSearch}
            chosen={customerId}
            onChoose={(customer) => {
              go({ page: "customers", customerId: customer.id });
            }}
          />
        ) : (
          <SaidSearch search={search} onSearch={setSearch} />
        )}
      </section>
      {customerId === null ? (
        <div className="nothing-chosen">
          <Icon name="users" size={44} />
          <Text>{t("customer.pick")}</Text>
        </div>
      ) : (
        <OneCustomer key={customerId} customerId={customerId} place={place} />
      )}
    </div>
  );
}

function OneCustomer({ customerId, place }: { customerId: string; place: Place | null }) {
  const { t } = useI18n();
  const { data: context, error } = useContextOf(customerId);
  return (
    <div className="customer">
      <a
        className="back-link narrow-only"
        href="/customers"
        onClick={(event) => {
          event.preventDefault();
          go({ page: "customers", customerId: null });
        }}
      >
        ← {t("customer.back")}
      </a>
      <Title order={1} className="spoken">
        {context?.customer.name ?? t("nav.customers")}
      </Title>
      {error !== null && (
        <Text role="alert" className="card">
          {errorText(t, error)}
        </Text>
      )}
      {context !== undefined && (
        <section className="card">
          <CustomerHead context={context} />
          <OpenCases cases={context.cases} />
        </section>
      )}
      {error === null && <Merges customerId={customerId} />}
      {error === null && <Timeline customerId={customerId} first={context?.recent ?? []} said={context?.said ?? {}} place={place} />}
    </div>
  );
}
