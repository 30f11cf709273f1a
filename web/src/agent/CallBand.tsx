import { useEffect } from "react";
import { useQuery } from "@tanstack/react-query";
import { useAnnouncer } from "../shared/announce";
import type { CallDetail, CustomerContext, PathStep } from "../shared/api";
import { Caller } from "../shared/customer/Caller";
import { nameless } from "../shared/customer/caller";
import { clockTime, duration } from "../shared/format";
import { secondsSince, useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { IconName } from "../shared/icons";
import type { Contact } from "../shared/live";
import { usePhone } from "../shared/phone";
import { queuesQuery } from "../shared/queries";
import { useConversation } from "./oncall/useConversation";
import { PhoneActions } from "./phone/PhoneActions";

interface Props {
  readonly contact: Contact;
  readonly caller: string;
  readonly queueId: string | null;
  readonly call: CallDetail | null;
  readonly context: CustomerContext | null;
}

const ICONS: Record<Contact["stage"], IconName> = {
  offered: "bell",
  in_call: "phoneCall",
  wrap_up: "pencil",
};

/** The band above a contact: what is going on, since when, with whom. */
export function CallBand({ contact, caller, queueId, call, context }: Props) {
  const { t } = useI18n();
  const { say } = useAnnouncer();
  const { state: phone } = usePhone();
  const { data: queues } = useQuery(queuesQuery);
  const { offer, stage } = contact;
  const served = useConversation(contact.callId) !== null;
  const queue =
    offer?.queue_title ?? queues?.items.find((one) => one.id === queueId)?.title ?? queueId ?? "";
  const name = context?.customer.name ?? "";
  const who = name === "" ? nameless(caller, t) : name;
  const waited = waitedSeconds(contact, call);

  useEffect(() => {
    say(stage === "offered" ? t("pop.announce", { who, queue }) : "");
    return () => {
      say("");
    };
  }, [stage, who, queue, say, t]);

  const title =
    stage === "offered"
      ? t("pop.title")
      : stage === "wrap_up"
        ? t("contact.wrap_up")
        : contact.call.state === "dialling"
          ? t("call.dialling")
          : t(contact.call.state === "held" ? "contact.held" : "contact.in_call");
  return (
    <header className="band">
      <span className="band-icon">
        <Icon name={ICONS[stage]} size={24} />
      </span>
      <div className="band-what">
        <strong>{title}</strong>
        <span className="band-caller" data-testid="pop-caller">
          <Caller caller={caller} />
        </span>
      </div>
      <ul className="band-facts">
        {queue !== "" && (
          <li>
            <Icon name="users" size={16} /> {t("pop.queue", { queue })}
          </li>
        )}
        {waited !== null && (
          <li data-testid="pop-waited">
            <Icon name="hourglass" size={16} /> {t("pop.waited", { time: duration(waited) })}
          </li>
        )}
        {stage === "offered" && phone.link.kind !== "registered" && (
          <li>
            <Icon name="phone" size={16} /> {t("pop.answer_hint")}
          </li>
        )}
      </ul>
      {/* What can be done with the call: further actions stand here, too. */}
      <div className="band-actions">
        <PhoneActions callId={contact.callId} served={served} />
      </div>
      {stage !== "wrap_up" && (
        <Timer
          since={stage === "offered" ? contact.offer.ringing_since : (contact.call.talking_since ?? contact.call.since)}
        />
      )}
    </header>
  );
}

function Timer({ since }: { since: string }) {
  const now = useNow();
  return (
    <span className="band-timer" role="timer" data-testid="call-timer">
      {clockTime(secondsSince(since, now))}
    </span>
  );
}

/** How long the caller waited: what the call says, else from joining the queue to the ringing. */
function waitedSeconds({ offer }: Contact, call: CallDetail | null): number | null {
  const waits = call?.waits ?? [];
  if (waits.length > 0) return waits.reduce((sum, wait) => sum + wait.waited_s, 0);
  const joined: PathStep | undefined = offer?.path.findLast((step) => step.kind === "enqueue");
  if (offer == null || joined === undefined) return null;
  return secondsSince(joined.at, Date.parse(offer.ringing_since));
}
