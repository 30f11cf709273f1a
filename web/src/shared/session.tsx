import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { api, ApiError, body, whenSignedOut } from "./api";
import type { Me } from "./api";

interface Session {
  /** undefined while we ask, null when nobody is signed in. */
  readonly me: Me | null | undefined;
  /** Whether the last session ended by itself. */
  readonly expired: boolean;
  readonly error: Error | null;
  readonly signIn: (username: string, password: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  readonly signedOut: () => void;
  readonly retry: () => void;
}

const Context = createContext<Session | null>(null);
const ME = ["me"] as const;

async function whoAmI(): Promise<Me | null> {
  try {
    return await body(api.GET("/api/v1/me"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Knows who is signed in. Nothing of one person stays in memory for the next. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [expired, setExpired] = useState(false);
  const { data: me, error, refetch } = useQuery({ queryKey: ME, queryFn: whoAmI, staleTime: Infinity });

  const forget = useCallback(() => {
    queries.removeQueries({ predicate: (query) => query.queryKey[0] !== ME[0] });
    queries.setQueryData<Me | null>(ME, null);
  }, [queries]);
  const signedOut = useCallback(() => {
    if (queries.getQueryData<Me | null>(ME)) setExpired(true);
    forget();
  }, [forget, queries]);
  useEffect(() => {
    whenSignedOut(signedOut);
  }, [signedOut]);

  const value = useMemo<Session>(
    () => ({
      me,
      expired,
      error,
      signedOut,
      retry: () => void refetch(),
      signIn: async (username, password) => {
        await body(api.POST("/api/v1/session", { body: { username, password } }));
        queries.setQueryData<Me | null>(ME, await whoAmI());
        setExpired(false);
      },
      signOut: async () => {
        await body(api.DELETE("/api/v1/session"));
        setExpired(false);
        forget();
      },
    }),
    [me, expired, error, signedOut, refetch, queries, forget],
  );
  return <Context value={value}>{children}</Context>;
}

export function useSession(): Session {
  const value = useContext(Context);
  if (value === null) throw new Error("useSession outside of SessionProvider");
  return value;
}

/** Who is signed in; only for what is shown inside. */
export function useMe(): Me {
  const { me } = useSession();
  if (!me) throw new Error("nobody is signed in");
  return me;
}
