import { Button, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useLayoutEffect, useState } from "react";
import type { CustomerContext, Offer } from "../shared/api";
import { CustomerHead } from "../shared/customer/CustomerHead";
import { nameless } from "../shared/customer/caller";
import { OpenCases } from "../shared/customer/OpenCases";
import { Timeline } from "../shared/customer/Timeline";
import { isAnonymous } from "../shared/format";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { Contact } from "../shared/live";
import { contextKey, useCall, useContextOf, useInteraction } from "../shared/queries";
import { CallBand } from "./CallBand";
import { ChooseCustomer } from "./ChooseCustomer";
import { FindCustomer } from "./FindCustomer";
import { Learned } from "./Learned";
import { HandedOver } from "./oncall/HandedOver";
import { LiveTranscript } from "./oncall/LiveTranscript";
import { OnCall } from "./oncall/OnCall";
import { useShownAt } from "./shownAt";
import { WrapUp } from "./WrapUp";

interface Props {
  readonly contact: Contact;
  readonly agentId: string;
}

/**
 * One contact from the ringing to the end of its wrap-up. What the offer brought is shown at once;
 * the interaction, when it has come, knows better: it hears of it when somebody says who this is.
 */
export function ContactView({ contact, agentId }: Props) {
  const { t } = useI18n();
  const offer = contact.stage === "offered" ? contact.offer : contact.offer;
  const ringing = contact.stage === "offered";
  const consulted = contact.stage === "in_call" && contact.consulted;
  const fromLive = contact.stage === "wrap_up" ? contact.wrapUp.interaction_id : offer?.interaction_id;
  // A page that was opened in mid-call missed the offer: the call itself tells the same.
  // Of one that is only being made nothing is written yet.
  const begins = contact.stage === "in_call" && contact.call.state === "dialling";
  const { data: call } = useCall(!begins && (offer === null || fromLive == null) ? contact.callId : null);
  const interactionId = fromLive ?? call?.interaction_id ?? null;
  const { data: interaction } = useInteraction(interactionId);

  const caller = offer?.caller ?? call?.caller ?? (contact.stage === "in_call" ? contact.call.caller : "");
  const known =
    interaction?.customer_id ??
    offer?.customer?.customer.id ??
    (contact.stage === "in_call" ? contact.call.customer_id : null) ??
    call?.customer_id ??
    null;
  const { data: loaded } = useContextOf(known);
  const offered = offer?.customer ?? null;
  const queries = useQueryClient();
  // What the page has known of the customer may be hours old; what came with the call is not.
  useLayoutEffect(() => {
    if (ringing && offered !== null) {
      queries.setQueryData(contextKey(offered.customer.id), offered);
    }
  }, [ringing, offered, queries]);
  const context = loaded ?? (offered?.customer.id === known ? offered : null);
  const shown = useShownAt(ringing);
  const queueId = offer?.queue_id ?? interaction?.queue_id ?? null;

  return (
    <article
      className="contact"
      data-stage={contact.stage}
      data-testid={ringing ? "pop" : "contact"}
      data-call={contact.callId}
      data-offer={ringing ? contact.offer.offer_id : undefined}
      data-offered-at={ringing ? Date.parse(contact.offer.ringing_since) : undefined}
      aria-label={t(ringing ? "pop.title" : contact.stage === "in_call" ? "contact.in_call" : "contact.wrap_up")}
      ref={shown}
    >
      <CallBand contact={contact} caller={caller} queueId={queueId} call={call ?? null} context={context} />
      {contact.stage === "in_call" && <OnCall callId={contact.callId} />}
      {contact.stage === "in_call" && <LiveTranscript callId={contact.callId} />}
      <div className="contact-left">
        <HandedOver offer={offer} callId={contact.callId} />
        <section className="card">
          <Who
            context={context}
            caller={caller}
            offer={offer}
            candidates={interaction?.candidates ?? offer?.choices.map((one) => one.id) ?? []}
            known={known}
            interactionId={interactionId}
          />
        </section>
        {!ringing && !consulted && (
          <WrapUp
            key={interactionId}
            wrapUp={contact.stage === "wrap_up" ? contact.wrapUp : null}
            agentId={agentId}
            interaction={interaction ?? null}
            queueId={queueId}
            cases={context?.cases ?? []}
          />
        )}
        <Learned
          learned={offer?.learned ?? call?.learned ?? {}}
          path={offer?.path ?? call?.path ?? []}
          dialled={call?.dialled ?? ""}
        />
      </div>
      <div className="contact-right">
        {known !== null && (
          <Timeline
            key={known}
            customerId={known}
            first={context?.recent ?? []}
            said={context?.said ?? {}}
            except={interactionId ?? contact.callId}
          />
        )}
      </div>
    </article>
  );
}

function Who(props: {
  context: CustomerContext | null;
  caller: string;
  offer: Offer | null;
  candidates: readonly string[];
  known: string | null;
  interactionId: string | null;
}) {
  const { t } = useI18n();
  const { context, caller, offer, candidates, known, interactionId } = props;
  const [finding, setFinding] = useState(false);
  const find = (
    <FindCustomer
      opened={finding}
      interactionId={interactionId}
      provisional={context?.customer.provisional === true ? context.customer.id : null}
      onClose={() => {
        setFinding(false);
      }}
    />
  );
  const open = () => {
    setFinding(true);
  };

  if (known === null && candidates.length > 1) {
    return (
      <>
        <ChooseCustomer choices={offer?.choices ?? []} ids={candidates} interactionId={interactionId} />
        <FindButton onClick={open} disabled={interactionId === null} />
        {find}
      </>
    );
  }
  if (context === null) {
    if (known !== null) return <Title order={2}>{nameless(caller, t)}</Title>;
    const anonymous = isAnonymous(caller);
    return (
      <>
        <Title order={2} data-testid="pop-customer-name">
          {nameless(caller, t)}
        </Title>
        {anonymous && (
          <Text c="dimmed" mb="xs">
            {t("caller.anonymous_long")}
          </Text>
        )}
        <FindButton onClick={open} disabled={interactionId === null} />
        {find}
      </>
    );
  }
  return (
    <>
      <CustomerHead
        context={context}
        aside={
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<Icon name="search" size={15} />}
            disabled={interactionId === null}
            onClick={open}
            data-testid="customer-change"
          >
            {t(context.customer.provisional ? "caller.link" : "caller.change")}
          </Button>
        }
      />
      {context.customer.provisional && (
        <Text size="sm" c="dimmed">
          {t("caller.provisional_long")}
        </Text>
      )}
      <OpenCases cases={context.cases} />
      {find}
    </>
  );
}

function FindButton({ onClick, disabled }: { onClick: () => void; disabled: boolean }) {
  const { t } = useI18n();
  return (
    <Button
      variant="light"
      leftSection={<Icon name="search" />}
      disabled={disabled}
      onClick={onClick}
      data-testid="customer-find"
    >
      {t("caller.find")}
    </Button>
  );
}
