import type { Channel } from "../api";
import type { IconName } from "../icons";

export const CHANNEL_ICONS: Record<Channel, IconName> = {
  call: "phone",
  sms: "sms",
  email: "mail",
  chat: "chat",
  note: "note",
  voicemail: "voicemail",
};
