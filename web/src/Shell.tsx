import { ActionIcon, Badge, Menu, Tooltip } from "@mantine/core";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { Desk } from "./agent/Desk";
import { PhoneStrip } from "./agent/phone/PhoneStrip";
import { DialButton } from "./agent/oncall/Dialling";
import { StatusMenu } from "./agent/StatusMenu";
import { Tasks } from "./agent/Tasks";
import { useAnnouncer } from "./shared/announce";
import { Connection } from "./shared/Connection";
import { Faults } from "./shared/Faults";
import { Customers } from "./shared/customer/Customers";
import type { Task } from "./shared/api";
import { useNow } from "./shared/hooks";
import { isMine, whenOf } from "./shared/tasks";
import { Help } from "./shared/Help";
import { Icon } from "./shared/icons";
import type { IconName } from "./shared/icons";
import { useI18n } from "./shared/i18n";
import type { Key } from "./shared/i18n";
import { contactOf, useLive } from "./shared/live";
import { errorText } from "./shared/messages";
import { usePhone } from "./shared/phone";
import { LanguageSwitch, ThemeSwitch } from "./shared/Preferences";
import { useSetStatus } from "./shared/queries";
import { go, pathOf, useRoute } from "./shared/route";
import type { Route } from "./shared/route";
import { useMe, useSession } from "./shared/session";
import { useShortcuts } from "./shared/shortcuts";

// Agents never need it.
const Board = lazy(async () => ({ default: (await import("./supervisor/Board")).Board }));

const PLACES: readonly { route: Route; label: Key; icon: IconName }[] = [
  { route: { page: "desk" }, label: "nav.desk", icon: "headset" },
  { route: { page: "customers", customerId: null }, label: "nav.customers", icon: "users" },
  { route: { page: "tasks" }, label: "nav.tasks", icon: "inbox" },
  { route: { page: "board" }, label: "nav.board", icon: "board" },
];

/** The frame around the pages: where one can go, how the agent is, whether we are connected. */
export function Shell() {
  const { t } = useI18n();
  const me = useMe();
  const route = useRoute();
  const { centre } = useLive();
  const [helping, setHelping] = useState(false);
  const supervises = me.user.role !== "agent";
  const agentId = me.agent?.id ?? null;
  const contact = agentId === null ? null : contactOf(centre, agentId);
  const ringing = contact?.stage === "offered" ? contact.offer.offer_id : null;

  // The pop comes to the agent wherever they are.
  useEffect(() => {
    if (ringing !== null) go({ page: "desk" });
  }, [ringing]);

  useShortcuts(
    useMemo(
      () => ({
        "?": () => {
          setHelping(true);
        },
        "1": () => {
          go({ page: "desk" });
        },
        "2": () => {
          go({ page: "customers", customerId: null });
        },
        "3": () => {
          go({ page: "tasks" });
        },
        "4": () => {
          if (supervises) go({ page: "board" });
        },
        "/": () => {
          go({ page: "customers", customerId: null });
          requestAnimationFrame(() => document.querySelector<HTMLElement>("#customer-search")?.focus());
        },
      }),
      [supervises],
    ),
  );

  const places = PLACES.filter((place) => place.route.page !== "board" || supervises);
  const now = useNow(5000);
  // What has its time still to come does not press yet.
  const pressing = Object.values(centre.tasks).filter(
    (task) => isMine(task, me) && whenOf(task, now) !== "later",
  );
  const tasks = pressing.length;
  useCalledBack(pressing);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t("app.skip")}
      </a>
      <header className="top">
        <div className="brand">
          <img src="/favicon.svg" alt="" width={28} height={28} />
          <span>{t("app.name")}</span>
        </div>
        <nav aria-label={t("nav.main")}>
          {places.map((place) => (
            <a
              key={place.route.page}
              href={pathOf(place.route)}
              aria-current={route.page === place.route.page ? "page" : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                go(place.route);
              }}
            >
              <Icon name={place.icon} />
              <span className="nav-label">{t(place.label)}</span>
              {place.route.page === "tasks" && tasks > 0 && (
                <Badge size="sm" circle={tasks < 10} aria-label={t("nav.tasks_open", { count: tasks })}>
                  {tasks}
                </Badge>
              )}
            </a>
          ))}
        </nav>
        <div className="top-right">
          <DialButton />
          {agentId !== null && <StatusMenu agentId={agentId} />}
          <Tooltip label={t("help.open")}>
            <ActionIcon
              className="wide-only"
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={t("help.open")}
              onClick={() => {
                setHelping(true);
              }}
            >
              <Icon name="keyboard" />
            </ActionIcon>
          </Tooltip>
          <ThemeSwitch />
          <LanguageSwitch />
          <UserMenu />
        </div>
      </header>
      <Connection />
      <Faults />
      <PhoneStrip shownCallId={route.page === "desk" ? (contact?.callId ?? null) : null} />
      <main id="main" tabIndex={-1}>
        <Page route={route} supervises={supervises} />
      </main>
      <Help
        opened={helping}
        supervises={supervises}
        onClose={() => {
          setHelping(false);
        }}
      />
    </div>
  );
}

/** Says once that the time of a callback has come. */
function useCalledBack(pressing: readonly Task[]): void {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const due = pressing.filter((task) => task.due_at !== null).map((task) => task.id).join(" ");
  const told = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    const ids = due.split(" ").filter(Boolean);
    // Those that were due when the page was opened are in its list already.
    if (told.current !== null && ids.some((id) => told.current?.has(id) === false)) toast(t("tasks.now_due"));
    told.current = new Set(ids);
  }, [due, t, toast]);
}

function Page({ route, supervises }: { route: Route; supervises: boolean }) {
  switch (route.page) {
    case "customers":
      return <Customers customerId={route.customerId} place={route.place ?? null} />;
    case "tasks":
      return <Tasks />;
    case "board":
      if (supervises) {
        return (
          <Suspense fallback={null}>
            <Board />
          </Suspense>
        );
      }
      return <Desk />;
    default:
      return <Desk />;
  }
}

function UserMenu() {
  const { t } = useI18n();
  const { user, agent } = useMe();
  const { toast } = useAnnouncer();
  const { signOut } = useSession();
  const phone = usePhone();
  const set = useSetStatus();
  // Who goes home wants no calls: signing out ends being available too.
  const leave = async () => {
    try {
      if (agent !== null) await set.mutateAsync({ agentId: agent.id, status: "logged_out" });
      await phone.signOut();
      await signOut();
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon
          variant="light"
          size="lg"
          radius="xl"
          aria-label={t("user.menu", { name: user.name })}
          data-testid="user-menu"
        >
          <span className="initials" data-initials={initials(user.name)} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {user.name} · {t(`role.${user.role}`)}
        </Menu.Label>
        <Menu.Item
          leftSection={<Icon name="logout" />}
          onClick={() => void leave()}
          data-testid="sign-out"
        >
          {t(agent === null ? "sign_in.out" : "sign_in.out_agent")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => word[0] ?? "")
    .join("")
    .toUpperCase();
}
