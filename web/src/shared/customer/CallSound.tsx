import { Loader, Text } from "@mantine/core";
import { useI18n } from "../i18n";
import { errorText } from "../messages";
import { useCall } from "../queries";
import type { Place } from "../route";
import { Player } from "./Player";

/** The recordings of a call, each with its transcript; one of them at the place that was found. */
export function CallSound({ callId, place = null }: { callId: string; place?: Place | null }) {
  const { t } = useI18n();
  const { data: call, error } = useCall(callId);
  if (call === undefined) {
    return error === null ? (
      <Loader size="sm" aria-label={t("player.loading")} />
    ) : (
      <Text size="sm" role="alert">
        {errorText(t, error)}
      </Text>
    );
  }
  return call.recordings.map((recording) => (
    <Player
      key={recording.id}
      recording={recording}
      start={place?.recording === recording.id ? (place.at ?? null) : null}
      transcript={call.transcripts.find((one) => one.recording_id === recording.id) ?? null}
    />
  ));
}
