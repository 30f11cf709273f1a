import { ActionIcon, Button, Menu, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import { BREAK_REASONS, presence, statusText } from "../agent/StatusMenu";
import { useAnnouncer } from "../shared/announce";
import type { Agent, AgentStatus } from "../shared/api";
import { Caller } from "../shared/customer/Caller";
import { nameless } from "../shared/customer/caller";
import { clockTime } from "../shared/format";
import { secondsSince, useNow } from "../shared/hooks";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLive } from "../shared/live";
import type { LiveCall, LiveQueue } from "../shared/live";
import { errorText } from "../shared/messages";
import { queuesQuery, useSetStatus } from "../shared/queries";
import { ReadAlong } from "./ReadAlong";

/** The floor as of now: queues, agents, calls. */
export function Board() {
  const { t } = useI18n();
  const { centre } = useLive();
  const { data: queues } = useQuery(queuesQuery);
  const agents = Object.values(centre.agents).sort((a, b) => a.name.localeCompare(b.name));
  const calls = Object.values(centre.calls).sort((a, b) => a.since.localeCompare(b.since));
  const titled = (id: string | null) =>
    id === null ? "" : (centre.queues[id]?.title ?? queues?.items.find((one) => one.id === id)?.title ?? id);
  const named = (id: string | null) => (id === null ? "" : (centre.agents[id]?.name ?? id));
  return (
    <div className="board">
      <Title order={1} size="h2">
        {t("board.title")}
      </Title>
      <section aria-labelledby="board-queues">
        <Title order={2} size="h4" id="board-queues">
          {t("board.queues")}
        </Title>
        {Object.keys(centre.queues).length === 0 && <Text c="dimmed">{t("board.no_queues")}</Text>}
        <div className="board-queues">
          {Object.values(centre.queues).map((queue) => (
            <QueueCard key={queue.queue_id} queue={queue} />
          ))}
        </div>
      </section>
      <section className="card" aria-labelledby="board-agents">
        <Title order={2} size="h4" id="board-agents">
          {t("board.agents")}
        </Title>
        {agents.length === 0 && <Text c="dimmed">{t("board.no_agents")}</Text>}
        <table className="board-table">
          <thead>
            <tr>
              <th>{t("board.agent")}</th>
              <th>{t("board.status")}</th>
              <th>{t("board.doing")}</th>
              <th>{t("board.since")}</th>
              <th>{t("board.phone")}</th>
              <th>
                <span className="spoken">{t("status.choose")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {agents.map((agent) => (
              <AgentRow key={agent.agent_id} agent={agent} />
            ))}
          </tbody>
        </table>
      </section>
      <section className="card" aria-labelledby="board-calls">
        <Title order={2} size="h4" id="board-calls">
          {t("board.calls")}
        </Title>
        {calls.length === 0 ? (
          <Text c="dimmed">{t("board.no_calls")}</Text>
        ) : (
          <table className="board-table">
            <thead>
              <tr>
                <th>{t("board.caller")}</th>
                <th>{t("board.call_state")}</th>
                <th>{t("board.since")}</th>
                <th>{t("board.queue")}</th>
                <th>{t("board.agent")}</th>
                <th>
                  <span className="spoken">{t("oncall.live.title")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {calls.map((call) => (
                <CallRow
                  key={call.call_id}
                  call={call}
                  queue={titled(call.queue_id)}
                  agent={named(call.agent_id)}
                />
              ))}
            </tbody>
          </table>
        )}
      </section>
    </div>
  );
}

function Since({ time }: { time: string }) {
  return <span className="figures">{clockTime(secondsSince(time, useNow()))}</span>;
}

function QueueCard({ queue }: { queue: LiveQueue }) {
  const { t } = useI18n();
  return (
    <div className="card board-queue" data-waiting={queue.waiting > 0 || undefined} data-testid="board-queue">
      <b>{queue.title}</b>
      <dl>
        <div>
          <dt>{t("board.waiting")}</dt>
          <dd>{queue.waiting}</dd>
        </div>
        <div>
          <dt>{t("board.longest")}</dt>
          <dd>{queue.longest_wait_since === null ? "–" : <Since time={queue.longest_wait_since} />}</dd>
        </div>
        <div>
          <dt>{t("board.available")}</dt>
          <dd>{queue.agents_available}</dd>
        </div>
      </dl>
    </div>
  );
}

function AgentRow({ agent }: { agent: Agent }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const set = useSetStatus();
  const { kind, icon } = presence(agent);
  const choose = async (status: AgentStatus, reason?: string) => {
    try {
      await set.mutateAsync({
        agentId: agent.agent_id,
        status,
        ...(reason === undefined ? {} : { reason }),
      });
    } catch (error) {
      toast(t("status.failed", { message: errorText(t, error) }), "bad");
    }
  };
  return (
    <tr data-testid="board-agent">
      <td>
        <b>{agent.name}</b> <span className="dimmed">{agent.extension}</span>
      </td>
      <td>{statusText(t, agent.status, agent.reason)}</td>
      <td>
        <span className="state-chip" data-kind={kind}>
          <Icon name={icon} size={16} />
          {agent.status === "available" || agent.state !== "idle" ? t(`state.${agent.state}`) : "–"}
        </span>
      </td>
      <td>
        <Since time={agent.since} />
      </td>
      <td className={agent.registered ? "dimmed" : "bad"}>
        <Icon name={agent.registered ? "phoneOk" : "phonePlug"} size={16} />{" "}
        {t(agent.registered ? "phone.yes" : "phone.no")}
      </td>
      <td>
        <Menu position="bottom-end" withinPortal>
          <Menu.Target>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={t("board.change", { name: agent.name })}
              loading={set.isPending}
            >
              <Icon name="dots" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="circleCheck" />} onClick={() => void choose("available")}>
              {t("status.available")}
            </Menu.Item>
            {BREAK_REASONS.map((reason) => (
              <Menu.Item
                key={reason}
                leftSection={<Icon name="coffee" />}
                onClick={() => void choose("on_break", reason)}
              >
                {statusText(t, "on_break", reason)}
              </Menu.Item>
            ))}
            <Menu.Item leftSection={<Icon name="power" />} onClick={() => void choose("logged_out")}>
              {t("status.logged_out")}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </td>
    </tr>
  );
}

function CallRow({ call, queue, agent }: { call: LiveCall; queue: string; agent: string }) {
  const { t } = useI18n();
  const { centre } = useLive();
  const [reads, setReads] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useId();
  const who = call.customer_name === "" ? nameless(call.caller, t) : call.customer_name;
  const transcribed = call.call_id in centre.transcripts;
  return (
    <>
      <tr data-testid="board-call">
        <td>
          <b>{who}</b> {call.customer_name !== "" && <Caller caller={call.caller} />}
        </td>
        <td>{t(`call.${call.state}`)}</td>
        <td>
          <Since time={call.since} />
        </td>
        <td>{queue}</td>
        <td>{agent}</td>
        <td>
          {(transcribed || reads) && (
            <Button
              ref={button}
              size="xs"
              variant="light"
              leftSection={<Icon name={reads ? "chevronDown" : "chat"} size={15} />}
              aria-expanded={reads}
              aria-controls={reads ? panel : undefined}
              aria-label={t(reads ? "board.read.close_of" : "board.read.open_of", { who })}
              onClick={() => {
                setReads(!reads);
              }}
              data-testid="board-read"
            >
              {t(reads ? "board.read.close" : "board.read.open")}
            </Button>
          )}
        </td>
      </tr>
      {reads && (
        <tr
          id={panel}
          className="board-reading"
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            setReads(false);
            button.current?.focus();
          }}
          data-testid="board-reading"
        >
          <td colSpan={6}>
            <ReadAlong callId={call.call_id} title={t("board.read.title", { who, agent })} />
          </td>
        </tr>
      )}
    </>
  );
}
