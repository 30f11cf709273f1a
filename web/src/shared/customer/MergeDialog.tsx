import { Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../announce";
import type { Customer } from "../api";
import { Dialog } from "../Dialog";
import { phone } from "../format";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useContextOf, useMerging } from "../queries";
import { go } from "../route";
import { CustomerSearch } from "./CustomerSearch";
import { nameOf } from "./CustomerHead";

interface Props {
  readonly customer: Customer;
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Two customers who are one: chooses the other, shows what would happen, and asks once. */
export function MergeDialog({ customer, opened, onClose }: Props) {
  const { t } = useI18n();
  const [search, setSearch] = useState("");
  const [other, setOther] = useState<Customer | null>(null);
  const close = () => {
    setOther(null);
    onClose();
  };
  return (
    <Dialog opened={opened} onClose={close} title={t("merge.title")}>
      {other === null ? (
        <>
          <Text size="sm" c="dimmed" mb="sm">
            {t("merge.choose", { name: nameOf(customer, t("caller.unknown")) })}
          </Text>
          <CustomerSearch
            inputId="merge-customer"
            search={search}
            onSearch={setSearch}
            chosen={null}
            except={customer.id}
            onChoose={setOther}
          />
        </>
      ) : (
        <Confirm
          first={customer}
          second={other}
          onBack={() => {
            setOther(null);
          }}
          onDone={close}
        />
      )}
    </Dialog>
  );
}

function Confirm(props: { first: Customer; second: Customer; onBack: () => void; onDone: () => void }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { merge } = useMerging();
  // The one with a name stays, or else the one that the page shows.
  const [swapped, setSwapped] = useState(props.first.provisional && !props.second.provisional);
  const [stays, goes] = swapped ? [props.second, props.first] : [props.first, props.second];
  const confirm = async () => {
    try {
      await merge.mutateAsync({ former: goes.id, into: stays.id });
      toast(t("merge.done"));
      props.onDone();
      if (location.pathname.startsWith("/customers/")) go({ page: "customers", customerId: stays.id });
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <div data-testid="merge-confirm">
      <Side title={t("merge.goes")} customer={goes} />
      <Group justify="center" my={6}>
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<Icon name="swap" size={15} />}
          onClick={() => {
            setSwapped(!swapped);
          }}
          data-testid="merge-swap"
        >
          {t("merge.swap")}
        </Button>
      </Group>
      <Side title={t("merge.stays")} customer={stays} />
      <Text size="sm" mt="sm">
        {t("merge.what")}
      </Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={props.onBack}>
          {t("merge.back")}
        </Button>
        <Button loading={merge.isPending} onClick={() => void confirm()} data-testid="merge-now">
          {t("merge.now")}
        </Button>
      </Group>
    </div>
  );
}

function Side({ title, customer }: { title: string; customer: Customer }) {
  const { t } = useI18n();
  const { data: context } = useContextOf(customer.id);
  return (
    <section className="merge-side">
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      <b>{nameOf(customer, t("caller.unknown"))}</b>
      <Text size="sm">
        {customer.identities.map(({ kind, value }) => (kind === "phone" ? phone(value) : value)).join(" · ")}
      </Text>
      {context !== undefined && (
        <Text size="sm" c="dimmed">
          {[
            t("customer.calls", { count: context.calls }),
            t("customer.messages", { count: context.messages }),
            t("customer.open_tasks", { count: context.open_tasks }),
          ].join(" · ")}
        </Text>
      )}
    </section>
  );
}
