import { Title } from "@mantine/core";
import { useEffect } from "react";
import { useI18n } from "../shared/i18n";
import { contactOf, useLive } from "../shared/live";
import { useMe } from "../shared/session";
import { ContactView } from "./ContactView";
import { Idle } from "./Idle";
import { Notice, Notices } from "./Notices";
import { PhoneNotice } from "./phone/PhoneNotice";
import { Parked } from "./oncall/Parked";

/** The agent's place: the call in hand, or what there is to know until the next one. */
export function Desk() {
  const { t } = useI18n();
  const { agent: mine } = useMe();
  const { centre } = useLive();
  const agent = mine === null ? undefined : centre.agents[mine.id];
  const contact = mine === null ? null : contactOf(centre, mine.id);
  const missed = centre.missed?.offer.agent_id === mine?.id ? centre.missed : null;

  useEffect(() => {
    if (contact?.stage !== "offered") return undefined;
    const title = document.title;
    document.title = `● ${t("pop.title")}`;
    return () => {
      document.title = title;
    };
  }, [contact?.stage, t]);

  return (
    <div className="desk">
      <Title order={1} className="spoken">
        {t("nav.desk")}
      </Title>
      {agent !== undefined && <PhoneNotice agent={agent} />}
      {agent !== undefined && <Notices agent={agent} />}
      {contact === null && missed !== null && missed.how !== "accepted" && (
        <Notice kind="plain" icon="phoneOff" testId="pop-gone">
          {t(`pop.gone.${missed.how}`)}
        </Notice>
      )}
      {contact === null ? (
        <Idle agentId={mine?.id ?? null} />
      ) : (
        <ContactView key={contact.callId} contact={contact} agentId={mine?.id ?? ""} />
      )}
      {mine !== null && <Parked />}
    </div>
  );
}
