import { useQuery } from "@tanstack/react-query";
import { api, body } from "./api";
import { useI18n } from "./i18n";
import { Icon } from "./icons";

const EVERY_MS = 5000;

/** Says what the house cannot do just now, in words for those who take its calls. */
export function Faults() {
  const { t } = useI18n();
  const health = useQuery({
    queryKey: ["health"],
    queryFn: () => body(api.GET("/healthz")),
    refetchInterval: EVERY_MS,
    retry: false,
  });
  const parts = health.data;
  if (parts === undefined) return null;
  const faults = [
    parts.database.ok ? "" : t("fault.database"),
    parts.recordings.ok ? "" : t("fault.recordings"),
    parts.messages.ok ? "" : t("fault.messages"),
    parts.trunks.ok ? "" : t("fault.trunks"),
  ].filter((fault) => fault !== "");
  if (faults.length === 0) return null;
  return (
    <div className="disconnected" role="status" data-testid="faults">
      <Icon name="alert" />
      <span>{faults.join(" ")}</span>
    </div>
  );
}
