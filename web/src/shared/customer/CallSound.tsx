import { Loader, Text } from "@mantine/core";
import { useI18n } from "../i18n";
import { errorText } from "../messages";
import { useCall } from "../queries";
import { Player } from "./Player";

/** The recordings of a call, each with its transcript. */
export function CallSound({ callId }: { callId: string }) {
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
      transcript={call.transcripts.find((one) => one.recording_id === recording.id) ?? null}
    />
  ));
}
