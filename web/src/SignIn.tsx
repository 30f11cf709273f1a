import { Alert, Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import type { SyntheticEvent } from "react";
import { LanguageSwitch, ThemeSwitch } from "./shared/Preferences";
import { Icon } from "./shared/icons";
import { useI18n } from "./shared/i18n";
import { errorText } from "./shared/messages";
import { useSession } from "./shared/session";

/** Asks for a name and its password. */
export function SignIn() {
  const { t } = useI18n();
  const { signIn, expired } = useSession();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const secret = useRef<HTMLInputElement>(null);

  // The button that was pressed has just been disabled: the next try begins with the password.
  useEffect(() => {
    if (error !== null && !busy) secret.current?.focus();
  }, [error, busy]);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(username.trim(), password);
    } catch (caught) {
      setError(caught);
      setPassword("");
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className="sign-in">
      <header className="sign-in-top">
        <LanguageSwitch />
        <ThemeSwitch />
      </header>
      <main>
        <div className="sign-in-brand">
          <img src="/favicon.svg" alt="" width={52} height={52} />
          <Title order={1}>{t("app.name")}</Title>
          <Text c="dimmed">{t("sign_in.lead")}</Text>
        </div>
        <Paper component="form" className="card" p="xl" onSubmit={(event) => void submit(event)}>
          <Stack>
            {expired && error === null && (
              <Alert color="yellow" icon={<Icon name="info" />} role="status">
                {t("sign_in.expired")}
              </Alert>
            )}
            {error !== null && (
              <Alert color="red" icon={<Icon name="alert" />} role="alert" data-testid="sign-in-error">
                {errorText(t, error)}
              </Alert>
            )}
            <TextInput
              label={t("sign_in.user")}
              value={username}
              onChange={(event) => {
                setUsername(event.currentTarget.value);
              }}
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              withAsterisk={false}
              autoFocus
              size="md"
              data-testid="sign-in-user"
            />
            <PasswordInput
              ref={secret}
              label={t("sign_in.password")}
              value={password}
              onChange={(event) => {
                setPassword(event.currentTarget.value);
              }}
              autoComplete="current-password"
              required
              withAsterisk={false}
              size="md"
              data-testid="sign-in-password"
            />
            <Button type="submit" loading={busy} size="md" data-testid="sign-in-submit">
              {t("sign_in.submit")}
            </Button>
          </Stack>
        </Paper>
      </main>
    </div>
  );
}
