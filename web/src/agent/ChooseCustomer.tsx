import { Text, Title } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { useAnnouncer } from "../shared/announce";
import { api, body } from "../shared/api";
import type { Customer } from "../shared/api";
import { CustomerBadges, nameOf } from "../shared/customer/CustomerHead";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { errorText } from "../shared/messages";
import { useAssignCustomer } from "../shared/queries";

interface Props {
  readonly choices: readonly Customer[];
  readonly ids: readonly string[];
  readonly interactionId: string | null;
}

/** A number that several share: the agent says who it is, we don't guess. */
export function ChooseCustomer({ choices, ids, interactionId }: Props) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const assign = useAssignCustomer(interactionId);
  const missing = ids.filter((id) => !choices.some((one) => one.id === id));
  const fetched = useQueries({
    queries: missing.map((id) => ({
      queryKey: ["customer", id],
      queryFn: () => body(api.GET("/api/v1/customers/{id}", { params: { path: { id } } })),
    })),
  });
  const all = [...choices, ...fetched.flatMap(({ data }) => (data === undefined ? [] : [data]))];

  const choose = async (customer: Customer) => {
    try {
      await assign.mutateAsync({ customerId: customer.id, merge: false });
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <div data-testid="choose-customer">
      <Title order={2} size="h3">
        <Icon name="users" size={22} /> {t("caller.choose")}
      </Title>
      <ul className="choices">
        {all.map((customer) => {
          const name = nameOf(customer, t("caller.unknown"));
          return (
            <li key={customer.id}>
              <button
                type="button"
                className="choice"
                aria-label={t("caller.choose_this", { name })}
                disabled={interactionId === null || assign.isPending}
                onClick={() => void choose(customer)}
                data-testid="choice"
              >
                <b>{name}</b>
                <CustomerBadges customer={customer} />
                <Text size="sm" c="dimmed" lineClamp={1}>
                  {customer.notes}
                </Text>
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
