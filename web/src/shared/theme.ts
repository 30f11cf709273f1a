import { createTheme } from "@mantine/core";

/** The look of the pages: one colour of our own, quiet surfaces, text that contrasts by 4.5:1. */
export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 8, dark: 7 },
  colors: {
    brand: [
      "#e6f6f7", "#cfe9ec", "#a3d3d9", "#73bcc5", "#4daab5",
      "#349eab", "#1f93a1", "#0d7c89", "#006d7a", "#005c67",
    ],
  },
  defaultRadius: "md",
  fontFamily:
    'Inter, "Segoe UI", system-ui, -apple-system, Roboto, "Noto Sans", "Helvetica Neue", sans-serif',
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
});
