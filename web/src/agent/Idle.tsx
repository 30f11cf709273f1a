import { Button, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useAnnouncer } from "../shared/announce";
import { Caller } from "../shared/customer/Caller";
import { nameless } from "../shared/customer/caller";
import { clockTime, duration, moment } from "../shared/format";
import { secondsSince, useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { IconName } from "../shared/icons";
import { useLive } from "../shared/live";
import { errorText } from "../shared/messages";
import { queuesQuery, useContextOf, useMyCalls, useSetStatus } from "../shared/queries";
import { go } from "../shared/route";
import { useMe } from "../shared/session";
import { MyDay } from "./MyDay";
import { isRona } from "./Notices";
import type { Call } from "../shared/api";

const ICONS: Record<"available" | "on_break" | "logged_out", IconName> = {
  available: "headset",
  on_break: "coffee",
  logged_out: "power",
};

/** No call in hand: how the agent is, who waits, what was last. */
export function Idle({ agentId }: { agentId: string | null }) {
  const { t } = useI18n();
  const { centre } = useLive();
  if (agentId === null) return <NoAgent />;
  const agent = centre.agents[agentId];
  const status = agent?.status;
  // A break that was not chosen is explained above, with the way back beside it.
  const explained = agent !== undefined && isRona(agent);
  return (
    <div className="idle">
      <section className="card idle-status" data-status={status}>
        {status !== undefined && (
          <>
            <span className="idle-icon">
              <Icon name={ICONS[status]} size={40} />
            </span>
            <div>
              <Title order={2}>{t(`idle.${status}`)}</Title>
              <Text c="dimmed">{t(`idle.${status}_long`)}</Text>
            </div>
            {status !== "available" && !explained && <BecomeAvailable agentId={agentId} />}
          </>
        )}
      </section>
      <MyDay />
      <MyQueues />
      <MyCalls agentId={agentId} />
    </div>
  );
}

function BecomeAvailable({ agentId }: { agentId: string }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const set = useSetStatus();
  const choose = async () => {
    try {
      await set.mutateAsync({ agentId, status: "available" });
    } catch (error) {
      toast(t("status.failed", { message: errorText(t, error) }), "bad");
    }
  };
  return (
    <Button
      size="md"
      leftSection={<Icon name="circleCheck" />}
      loading={set.isPending}
      onClick={() => void choose()}
      data-testid="become-available"
    >
      {t("status.available")}
    </Button>
  );
}

function MyQueues() {
  const { t } = useI18n();
  const me = useMe();
  const { centre } = useLive();
  const { data } = useQuery(queuesQuery);
  const now = useNow();
  const mine = me.agent?.queues ?? [];
  return (
    <section className="card">
      <Title order={2} size="h4" mb="sm">
        {t("idle.queues")}
      </Title>
      {mine.length === 0 && <Text c="dimmed">{t("idle.no_queues")}</Text>}
      <ul className="queues">
        {mine.map((id) => {
          const live = centre.queues[id];
          const title = live?.title ?? data?.items.find((one) => one.id === id)?.title ?? id;
          const waiting = live?.waiting ?? 0;
          return (
            <li key={id} data-waiting={waiting > 0 || undefined}>
              <b>{title}</b>
              <span>
                {waiting === 0 ? t("idle.nobody_waiting") : t("idle.waiting", { count: waiting })}
                {live?.longest_wait_since != null && (
                  <span className="dimmed">
                    {", "}
                    {t("idle.since", {
                      time: clockTime(secondsSince(live.longest_wait_since, now)),
                    })}
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function MyCalls({ agentId }: { agentId: string }) {
  const { t } = useI18n();
  const { data } = useMyCalls(agentId);
  const ended = data?.items.filter((call) => call.state === "ended");
  return (
    <section className="card">
      <Title order={2} size="h4" mb="sm">
        {t("idle.recent")}
      </Title>
      {ended?.length === 0 && <Text c="dimmed">{t("idle.no_recent")}</Text>}
      <ul className="my-calls">{ended?.map((call) => <MyCall key={call.id} call={call} />)}</ul>
    </section>
  );
}

function MyCall({ call }: { call: Call }) {
  const { t, language } = useI18n();
  const now = useNow(30_000);
  const { data: context } = useContextOf(call.customer_id);
  const name = context?.customer.name;
  const talked = call.talks.reduce((sum, talk) => sum + talk.talked_s, 0);
  const who = name === undefined || name === "" ? nameless(call.caller, t) : name;
  const customerId = call.customer_id;
  return (
    <li>
      <Icon name={call.direction === "out" ? "phoneOut" : "phoneIn"} size={17} />
      {customerId === null ? (
        <Caller caller={call.caller} />
      ) : (
        <a
          href={`/customers/${customerId}`}
          onClick={(event) => {
            event.preventDefault();
            go({ page: "customers", customerId });
          }}
        >
          {who}
        </a>
      )}
      <span className="dimmed">{talked > 0 ? duration(talked) : ""}</span>
      <time className="dimmed" dateTime={call.started_at}>
        {moment(call.started_at, language, now)}
      </time>
    </li>
  );
}

function NoAgent() {
  const { t } = useI18n();
  const supervises = useMe().user.role !== "agent";
  return (
    <section className="card idle-status">
      <span className="idle-icon">
        <Icon name="userOff" size={40} />
      </span>
      <div>
        <Title order={2}>{t("idle.no_agent")}</Title>
        {supervises && <Text c="dimmed">{t("idle.no_agent_long")}</Text>}
      </div>
      {supervises && (
        <Button
          onClick={() => {
            go({ page: "board" });
          }}
        >
          {t("idle.go_board")}
        </Button>
      )}
    </section>
  );
}
