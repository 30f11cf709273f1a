import type { PhoneState } from "./state";

/** What a person does with the phone, in whichever tab. */
export type Command =
  | { readonly do: "use"; readonly phone: "page" | "own" }
  | { readonly do: "take_over" }
  | { readonly do: "retry" }
  | { readonly do: "answer" | "reject" | "hang_up" }
  | { readonly do: "mute" | "hold"; readonly on: boolean }
  | { readonly do: "keys"; readonly keys: string }
  | { readonly do: "sound" };

type Message =
  | { readonly type: "hello" }
  | { readonly type: "state"; readonly state: PhoneState }
  | { readonly type: "command"; readonly command: Command };

/**
 * The tabs of one person in one browser: one of them is the phone, the others show and steer it.
 * The one that is the phone holds a lock; when it is closed, the browser gives the lock to another.
 */
export class Tabs {
  private readonly channel: BroadcastChannel;
  private readonly resign = new AbortController();
  private letGo: () => void = () => undefined;
  leads = false;

  constructor(
    private readonly name: string,
    private readonly on: {
      leads: () => void;
      state: (state: PhoneState) => void;
      command: (command: Command) => void;
      current: () => PhoneState;
    },
  ) {
    this.channel = new BroadcastChannel(name);
    this.channel.addEventListener("message", (event: MessageEvent<Message>) => {
      this.heard(event.data);
    });
  }

  join(): void {
    this.say({ type: "hello" });
    navigator.locks
      .request(this.name, { signal: this.resign.signal }, () => {
        this.leads = true;
        this.on.leads();
        return new Promise<void>((done) => {
          this.letGo = done;
        });
      })
      .catch(() => undefined); // we left before our turn came
  }

  leave(): void {
    this.leads = false;
    this.resign.abort();
    this.letGo();
    this.channel.close();
  }

  /** Have it done by the tab that is the phone. */
  order(command: Command): void {
    if (this.leads) this.on.command(command);
    else this.say({ type: "command", command });
  }

  publish(state: PhoneState): void {
    this.say({ type: "state", state });
  }

  private heard(message: Message): void {
    switch (message.type) {
      case "hello":
        if (this.leads) this.publish(this.on.current());
        break;
      case "state":
        if (!this.leads) this.on.state(message.state);
        break;
      case "command":
        if (this.leads) this.on.command(message.command);
        break;
    }
  }

  private say(message: Message): void {
    this.channel.postMessage(message);
  }
}
