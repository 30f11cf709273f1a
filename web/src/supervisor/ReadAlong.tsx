import { Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { api, body } from "../shared/api";
import { useI18n } from "../shared/i18n";
import { useLive } from "../shared/live";
import { errorText } from "../shared/messages";
import { SaidPanel } from "../shared/SaidPanel";

interface Props {
  readonly callId: string;
  readonly title: string;
}

/** What is said in somebody's call, as it is said. The server notes who reads it. */
export function ReadAlong({ callId, title }: Props) {
  const { t } = useI18n();
  const { centre } = useLive();
  const refused = useReading(callId);
  const transcript = centre.transcripts[callId];
  const shown = transcript?.shown === true;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (shown) place.current?.scrollIntoView({ block: "nearest" });
  }, [shown]);
  if (refused !== null) return <Text role="alert">{errorText(t, refused)}</Text>;
  if (transcript === undefined) return <Text role="status">{t("board.read.over")}</Text>;
  if (!transcript.shown) return <Text role="status">{t("app.loading")}</Text>;
  return (
    <div ref={place}>
      <SaidPanel transcript={transcript} title={title} own={false} />
      <Text size="xs" c="dimmed" mt={6}>
        {t("board.read.noted")}
      </Text>
    </div>
  );
}

/** Asks for the words for as long as it is there, also again after a reconnection; what was refused. */
function useReading(callId: string): unknown {
  const { centre, link } = useLive();
  const [refused, setRefused] = useState<{ readonly of: string; readonly error: unknown } | null>(null);
  const transcript = centre.transcripts[callId];
  // Each agent's part of the call is asked for by itself.
  const wanted = link.state === "open" && transcript?.shown === false ? transcript.agent_id : null;
  useEffect(() => {
    if (wanted === null) return;
    const asked = api.PUT("/api/v1/calls/{id}/live-transcript", { params: { path: { id: callId } } });
    body(asked).catch((error: unknown) => {
      setRefused({ of: wanted, error });
    });
  }, [callId, wanted]);
  useEffect(
    () => () => {
      const asked = api.DELETE("/api/v1/calls/{id}/live-transcript", { params: { path: { id: callId } } });
      void body(asked).catch(() => undefined); // with the connection the words end, too
    },
    [callId],
  );
  return refused !== null && refused.of === wanted ? refused.error : null;
}
