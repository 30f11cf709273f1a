import { Text } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Customer } from "../shared/api";
import { CustomerSearch } from "../shared/customer/CustomerSearch";
import { Dialog } from "../shared/Dialog";
import { useI18n } from "../shared/i18n";
import { errorText } from "../shared/messages";
import { useAssignCustomer } from "../shared/queries";

interface Props {
  readonly opened: boolean;
  readonly interactionId: string | null;
  /** The provisional customer whom it belongs to so far, to be merged into the one found. */
  readonly provisional: string | null;
  readonly onClose: () => void;
}

/** Says by a search who the caller is. */
export function FindCustomer({ opened, interactionId, provisional, onClose }: Props) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const [search, setSearch] = useState("");
  const assign = useAssignCustomer(interactionId);
  const choose = async (customer: Customer) => {
    try {
      await assign.mutateAsync({
        customerId: customer.id,
        merge: provisional !== null && provisional !== customer.id,
      });
      onClose();
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("caller.find")}>
      {provisional !== null && (
        <Text size="sm" c="dimmed" mb="sm">
          {t("caller.merge")}
        </Text>
      )}
      <CustomerSearch
        inputId="find-customer"
        search={search}
        onSearch={setSearch}
        chosen={null}
        onChoose={(customer) => void choose(customer)}
      />
    </Dialog>
  );
}
