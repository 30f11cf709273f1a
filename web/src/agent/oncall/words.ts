import { phone } from "../../shared/format";
import type { Key, Translate } from "../../shared/i18n";
import type { IconName } from "../../shared/icons";
import type { LiveConversation } from "../../shared/live";

/** What is going on, as a sentence and a sign. */
export interface Situation {
  readonly key: Key;
  readonly icon: IconName;
}

/** The situation of a conversation: who talks, who waits. */
export function situation({ state, with_: partner, third }: LiveConversation): Situation {
  switch (state) {
    case "dialling":
      return { key: "oncall.state.dialling", icon: "phoneOut" };
    case "held":
      return { key: "oncall.state.held", icon: "pause" };
    case "conference":
      return { key: "oncall.state.conference", icon: "users" };
    case "consulting":
      if (third?.state === "ringing") return { key: "oncall.state.third_rings", icon: "bell" };
      return partner === "third"
        ? { key: "oncall.state.with_third", icon: "headset" }
        : { key: "oncall.state.with_caller", icon: "phoneCall" };
    case "talking":
      return { key: "oncall.state.talking", icon: "phoneCall" };
  }
}

/** From whom no sound comes any more, as a sentence; null while all are heard. */
export function silence({ unheard }: LiveConversation): Key | null {
  if (unheard.includes("agent")) return "oncall.unheard.agent";
  if (unheard.includes("caller")) return "oncall.unheard.caller";
  return unheard.includes("third") ? "oncall.unheard.third" : null;
}

/** The third party's name: a colleague's, a queue's, or the number. */
export function thirdName({ third }: LiveConversation, t: Translate): string {
  if (third === null) return "";
  const name = third.label === "" ? third.number : third.label;
  return name === "" ? t("oncall.somebody") : phone(name);
}
