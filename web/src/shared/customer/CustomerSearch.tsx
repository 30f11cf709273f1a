import { Badge, Button, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { Customer } from "../api";
import { phone } from "../format";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useCustomers } from "../queries";
import { nameOf } from "./CustomerHead";

interface Props {
  readonly search: string;
  readonly onSearch: (search: string) => void;
  readonly chosen: string | null;
  readonly onChoose: (customer: Customer) => void;
  readonly inputId?: string;
  /** A customer who is not to be found: the one for whom another is looked for. */
  readonly except?: string;
}

/** Finds a customer by name, number or address, as one types. */
export function CustomerSearch({ search, onSearch, chosen, onChoose, inputId, except }: Props) {
  const { t } = useI18n();
  const [asked] = useDebouncedValue(search.trim(), 200);
  const found = useCustomers(asked);
  const customers = found.data?.pages.flatMap((page) => page.items).filter((one) => one.id !== except) ?? [];
  return (
    <div className="customer-search">
      <TextInput
        id={inputId ?? "customer-search"}
        type="search"
        aria-label={t("customer.search")}
        placeholder={t("customer.search")}
        leftSection={<Icon name="search" />}
        value={search}
        onChange={(event) => {
          onSearch(event.currentTarget.value);
        }}
        maxLength={200}
        data-testid="customer-search"
      />
      {found.error !== null && (
        <Text role="alert" size="sm" c="red" mt="sm">
          {errorText(t, found.error)}
        </Text>
      )}
      {found.isSuccess && customers.length === 0 && (
        <Text c="dimmed" size="sm" mt="sm" role="status">
          {asked === "" ? t("customer.empty") : t("customer.none", { query: asked })}
        </Text>
      )}
      <ul>
        {customers.map((customer) => (
          <li key={customer.id}>
            <button
              type="button"
              className="customer-row"
              aria-current={customer.id === chosen || undefined}
              onClick={() => {
                onChoose(customer);
              }}
              data-testid="customer-row"
            >
              <span className="customer-row-name">
                {nameOf(customer, t("caller.unknown"))}
                {customer.provisional && (
                  <Badge size="xs" variant="outline" className="warn-badge">
                    {t("caller.provisional")}
                  </Badge>
                )}
                {customer.segment !== "" && (
                  <Badge size="xs" variant="light">
                    {customer.segment}
                  </Badge>
                )}
              </span>
              <span className="dimmed">
                {customer.identities
                  .map(({ kind, value }) => (kind === "phone" ? phone(value) : value))
                  .join(" · ")}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {found.hasNextPage && (
        <Button
          variant="default"
          fullWidth
          mt="xs"
          loading={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          {t("customer.more")}
        </Button>
      )}
    </div>
  );
}
