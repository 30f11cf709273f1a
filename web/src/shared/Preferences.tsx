import { ActionIcon, SegmentedControl, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useI18n } from "./i18n";
import type { Language } from "./i18n";
import { Icon } from "./icons";

const LANGUAGES: readonly { value: Language; label: string }[] = [
  { value: "es", label: "ES" },
  { value: "en", label: "EN" },
];

export function LanguageSwitch() {
  const { language, setLanguage, t } = useI18n();
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("language.switch")}
      data={[...LANGUAGES]}
      value={language}
      onChange={setLanguage}
      data-testid="language-switch"
    />
  );
}

export function ThemeSwitch() {
  const { t } = useI18n();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const label = t(dark ? "theme.light" : "theme.dark");
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={label}
        onClick={() => {
          setColorScheme(dark ? "light" : "dark");
        }}
      >
        <Icon name={dark ? "sun" : "moon"} />
      </ActionIcon>
    </Tooltip>
  );
}
