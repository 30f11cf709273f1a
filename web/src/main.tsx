import "@mantine/core/styles.css";
import "./shared/page.css";
import "./agent/oncall/oncall.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Announcements } from "./shared/announce";
import { ApiError } from "./shared/api";
import { I18nProvider } from "./shared/i18n";
import { SessionProvider } from "./shared/session";
import { theme } from "./shared/theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What the server refuses it refuses again; only what never reached it is worth another try.
      retry: (count, error) =>
        count < 3 && (!(error instanceof ApiError) || error.status === 0 || error.status === 503),
    },
    mutations: { networkMode: "always" },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <I18nProvider>
        <QueryClientProvider client={queries}>
          <Announcements>
            <SessionProvider>
              <App />
            </SessionProvider>
          </Announcements>
        </QueryClientProvider>
      </I18nProvider>
    </MantineProvider>
  </StrictMode>,
);
