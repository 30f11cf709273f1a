import type { ReactNode } from "react";
import { Button, Center, Loader, Stack, Text } from "@mantine/core";
import { Dialling } from "./agent/oncall/Dialling";
import { Shell } from "./Shell";
import { SignIn } from "./SignIn";
import { Failure } from "./shared/Failure";
import { useI18n } from "./shared/i18n";
import { contactOf, LiveProvider, useLive } from "./shared/live";
import { errorText } from "./shared/messages";
import { PhoneProvider } from "./shared/phone";
import { useMe, useSession } from "./shared/session";

/** Signed in or not: everything else is inside. */
export function App() {
  const { t } = useI18n();
  const { me, error, retry, signedOut } = useSession();
  if (me === undefined) {
    return (
      <Center h="100vh">
        {error === null ? (
          <Loader aria-label={t("app.loading")} />
        ) : (
          <Stack align="center">
            <Text role="alert">{errorText(t, error)}</Text>
            <Button onClick={retry}>{t("error.retry")}</Button>
          </Stack>
        )}
      </Center>
    );
  }
  if (me === null) return <SignIn />;
  return (
    <Failure>
      {/* Another person, another connection: nothing is carried over. */}
      <LiveProvider key={me.user.id} onSignedOut={signedOut}>
        <Phone>
          <Dialling>
            <Shell />
          </Dialling>
        </Phone>
      </LiveProvider>
    </Failure>
  );
}

/** Agents may use the page as their phone. */
function Phone({ children }: { children: ReactNode }) {
  const { user, agent } = useMe();
  const { centre } = useLive();
  if (agent === null) return children;
  const contact = contactOf(centre, agent.id);
  const callId = contact?.stage === "in_call" ? contact.callId : null;
  return (
    <PhoneProvider userId={user.id} callId={callId}>
      {children}
    </PhoneProvider>
  );
}
