import { Badge, Button, Group, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { ReactNode } from "react";
import type { Customer, CustomerContext } from "../api";
import { ago, day, languageName, phone } from "../format";
import { useNow } from "../hooks";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { Number } from "../Number";
import { CustomerForm } from "./CustomerForm";
import { MergeDialog } from "./MergeDialog";
import { readable } from "./Path";

/** Who the customer is, in a few words; and the way to correct them. */
export function CustomerHead({ context, aside }: { context: CustomerContext; aside?: ReactNode }) {
  const { t, language } = useI18n();
  const { customer } = context;
  const now = useNow(60_000);
  const [editing, setEditing] = useState(false);
  const [merging, setMerging] = useState(false);
  if (editing) {
    return (
      <CustomerForm
        customer={customer}
        onDone={() => {
          setEditing(false);
        }}
      />
    );
  }
  return (
    <div className="customer-head">
      <div className="customer-who">
        <Title order={2} size="h2" data-testid="pop-customer-name">
          {nameOf(customer, t("caller.unknown"))}
        </Title>
        <CustomerBadges customer={customer} />
        <Button
          variant={customer.provisional ? "light" : "subtle"}
          size="compact-sm"
          leftSection={<Icon name="pencil" size={15} />}
          onClick={() => {
            setEditing(true);
          }}
          data-testid="customer-edit"
        >
          {t(customer.provisional ? "customer.name_it" : "customer.edit")}
        </Button>
        {aside}
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<Icon name="merge" size={15} />}
          onClick={() => {
            setMerging(true);
          }}
          data-testid="customer-merge"
        >
          {t("merge.open")}
        </Button>
        <MergeDialog
          customer={customer}
          opened={merging}
          onClose={() => {
            setMerging(false);
          }}
        />
      </div>
      <ul className="identities">
        {customer.identities.map((identity) => (
          <li key={identity.id}>
            <Icon name={identity.kind === "phone" ? "phone" : "mail"} size={15} />
            {identity.kind === "phone" ? <Number value={identity.value} /> : identity.value}
          </li>
        ))}
      </ul>
      <Text size="sm" c="dimmed">
        {[
          t("customer.calls", { count: context.calls }),
          t("customer.messages", { count: context.messages }),
          ...(context.open_tasks > 0 ? [t("customer.open_tasks", { count: context.open_tasks })] : []),
          ...(customer.language === "" ? [] : [languageName(customer.language, language)]),
          t("customer.since", { date: day(customer.created_at, language) }),
        ].join(" · ")}
      </Text>
      <ul className="head-facts">
        <li data-testid="contacts-last-week">
          <Icon name="history" size={15} /> {t("customer.last_week", { count: context.contacts_last_week })}
        </li>
        {context.last_disposition !== "" && context.last_disposition_at !== null && (
          <li data-testid="last-disposition">
            <Icon name="tag" size={15} />{" "}
            {t("customer.last_disposition", {
              disposition: readable(context.last_disposition),
              time: ago(context.last_disposition_at, language, now),
            })}
          </li>
        )}
      </ul>
      {customer.notes !== "" && (
        <p className="customer-notes">
          <Icon name="info" size={16} /> {customer.notes}
        </p>
      )}
    </div>
  );
}

export function CustomerBadges({ customer }: { customer: Customer }) {
  const { t } = useI18n();
  return (
    <Group gap={6}>
      {customer.provisional && (
        <Badge variant="outline" className="warn-badge" leftSection={<Icon name="userQuestion" size={13} />}>
          {t("caller.provisional")}
        </Badge>
      )}
      {customer.segment !== "" && (
        <Badge variant="light" leftSection={<Icon name="star" size={12} />} data-testid="pop-segment">
          {customer.segment}
        </Badge>
      )}
      {customer.language !== "" && (
        <Badge variant="light" color="gray" leftSection={<Icon name="language" size={13} />}>
          {customer.language}
        </Badge>
      )}
    </Group>
  );
}

/** What to call a customer: a provisional one goes by the number. */
export function nameOf(customer: Customer, unknown: string): string {
  if (customer.name !== "") return customer.name;
  const identity = customer.identities[0];
  return identity === undefined ? unknown : phone(identity.value);
}
