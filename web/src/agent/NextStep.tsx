import { Button, Group } from "@mantine/core";
import { useState } from "react";
import type { Interaction } from "../shared/api";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { CallBack } from "./CallBack";
import { WriteTo } from "./WriteTo";

interface Props {
  readonly interaction: Interaction | null;
  readonly agentId: string;
  readonly queueId: string | null;
}

/** What happens after this contact: a call at a time, or a message. */
export function NextStep({ interaction, agentId, queueId }: Props) {
  const { t } = useI18n();
  const [step, setStep] = useState<"callback" | "message" | null>(null);
  const close = () => {
    setStep(null);
  };
  const toggle = (wanted: "callback" | "message") => {
    setStep(step === wanted ? null : wanted);
  };
  return (
    <fieldset className="next-step">
      <legend>{t("next.title")}</legend>
      <Group gap="xs">
        <Button
          variant="light"
          size="xs"
          disabled={interaction === null}
          aria-expanded={step === "callback"}
          leftSection={<Icon name="phoneOut" size={15} />}
          onClick={() => {
            toggle("callback");
          }}
          data-testid="next-callback"
        >
          {t("next.callback")}
        </Button>
        <Button
          variant="light"
          size="xs"
          disabled={interaction?.customer_id == null}
          aria-expanded={step === "message"}
          leftSection={<Icon name="send" size={15} />}
          onClick={() => {
            toggle("message");
          }}
          data-testid="next-message"
        >
          {t("next.message")}
        </Button>
      </Group>
      {step === "callback" && interaction !== null && (
        <CallBack interaction={interaction} agentId={agentId} queueId={queueId} onDone={close} />
      )}
      {step === "message" && interaction?.customer_id != null && (
        <WriteTo customerId={interaction.customer_id} caseId={interaction.case_id} onDone={close} />
      )}
    </fieldset>
  );
}
