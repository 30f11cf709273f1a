import { useEffect, useRef, useState } from "react";
import { useAnnouncer } from "./announce";
import { useI18n } from "./i18n";
import { Icon } from "./icons";
import { useLive } from "./live";

// A server that restarts is back before anybody could read more.
const QUIET_MS = 1500;

/** Says so when what is shown may be out of date. */
export function Connection() {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { link } = useLive();
  const wasLost = useRef(false);
  const [now, setNow] = useState(() => Date.now());
  const [lostSince, setLostSince] = useState<number | null>(null);
  const open = link.state === "open";

  useEffect(() => {
    if (open) {
      if (wasLost.current) toast(t("live.back"));
      wasLost.current = false;
      return undefined;
    }
    const since = Date.now();
    const timer = setInterval(() => {
      setLostSince(since);
      setNow(Date.now());
      if (Date.now() - since >= QUIET_MS) wasLost.current = true;
    }, 250);
    return () => {
      clearInterval(timer);
      setLostSince(null);
    };
  }, [open, t, toast]);

  if (open || lostSince === null || now - lostSince < QUIET_MS) return null;
  const seconds = link.state === "waiting" ? Math.max(0, Math.ceil((link.retryAt - now) / 1000)) : 0;
  return (
    <div className="disconnected" role="status" data-testid="disconnected">
      <Icon name="wifiOff" />
      {/* The seconds change too often to be read out. */}
      <span aria-hidden="true">
        {seconds > 0 ? t("live.lost", { seconds }) : t("live.retrying")}
      </span>
      <span className="spoken">{t("live.retrying")}</span>
    </div>
  );
}
