import { Button, Center, Stack, Text } from "@mantine/core";
import { Component } from "react";
import type { ReactNode } from "react";
import { useI18n } from "./i18n";

/** What is left of the page when a part of it fails: never a white screen. */
export class Failure extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? <Crashed /> : this.props.children;
  }
}

function Crashed() {
  const { t } = useI18n();
  return (
    <Center h="60vh">
      <Stack align="center">
        <Text role="alert">{t("app.crashed")}</Text>
        <Button
          onClick={() => {
            location.reload();
          }}
        >
          {t("app.reload")}
        </Button>
      </Stack>
    </Center>
  );
}
