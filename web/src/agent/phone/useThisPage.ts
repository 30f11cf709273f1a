import { useCallback } from "react";
import { useAnnouncer } from "../../shared/announce";
import { useI18n } from "../../shared/i18n";
import { usePhone } from "../../shared/phone";
import { closeMicrophone, openMicrophone } from "../../shared/phone/sound";

/** Makes this page the phone: asks for the microphone while the agent is there to allow it. */
export function useThisPage(): () => Promise<void> {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { order } = usePhone();
  return useCallback(async () => {
    // Without https or localhost there is nothing to ask; the server says what is wrong.
    if (window.isSecureContext) {
      try {
        closeMicrophone(await openMicrophone());
      } catch {
        toast(t("phone.refused.no_microphone"), "bad");
        return;
      }
    }
    order({ do: "use", phone: "page" });
  }, [order, t, toast]);
}
