import { mendStep, patience } from "./mend";
import type { Mend, MendEvent, MendStep } from "./mend";

/** Carries out what `mend.ts` decides about the network of a call. */
export class Mender {
  private mend: Mend = "well";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly does: Record<Exclude<MendStep["todo"], "nothing">, () => void>) {}

  take(event: MendEvent): void {
    const { mend, todo } = mendStep(this.mend, event);
    if (mend !== this.mend) {
      this.mend = mend;
      clearTimeout(this.timer);
      const within = patience(mend);
      if (within !== null) {
        this.timer = setTimeout(() => {
          this.take({ type: "late" });
        }, within);
      }
    }
    if (todo !== "nothing") this.does[todo]();
  }
}
