import { remember, remembered } from "../remembered";

/** What the agent hears with, speaks into, and how loud it is; remembered by this browser. */
export interface SoundChoice {
  /** Empty is the system's own choice. */
  readonly microphone: string;
  readonly speaker: string;
  /** Where it rings: often a loudspeaker, while one talks with a headset. */
  readonly ringer: string;
  /** From 0 to 1. */
  readonly volume: number;
  readonly ringVolume: number;
  /** Against echo and noise; a good headset does that by itself. */
  readonly cleaned: boolean;
}

const DEFAULT: SoundChoice = {
  microphone: "",
  speaker: "",
  ringer: "",
  volume: 1,
  ringVolume: 0.7,
  cleaned: true,
};

export function soundChoice(): SoundChoice {
  try {
    return { ...DEFAULT, ...(JSON.parse(remembered("sound") ?? "{}") as Partial<SoundChoice>) };
  } catch {
    return DEFAULT;
  }
}

export function chooseSound(change: Partial<SoundChoice>): SoundChoice {
  const chosen = { ...soundChoice(), ...change };
  remember("sound", JSON.stringify(chosen));
  return chosen;
}

/** The chosen microphone. One that is no longer there is replaced by the system's. */
export async function openMicrophone(choice: SoundChoice = soundChoice()): Promise<MediaStream> {
  const { cleaned } = choice;
  const audio = {
    echoCancellation: cleaned,
    noiseSuppression: cleaned,
    autoGainControl: cleaned,
  };
  const chosen = choice.microphone === "" ? {} : { deviceId: { ideal: choice.microphone } };
  return navigator.mediaDevices.getUserMedia({ audio: { ...audio, ...chosen } });
}

export function closeMicrophone(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Not every browser lets a page choose where it is heard. */
export function canChooseSpeaker(): boolean {
  return "setSinkId" in HTMLMediaElement.prototype;
}

async function hearThrough(element: HTMLAudioElement, device: string): Promise<void> {
  if (!canChooseSpeaker() || element.sinkId === device) return;
  try {
    await element.setSinkId(device);
  } catch {
    await element.setSinkId(""); // it has been unplugged
  }
}

/** The other side's voice. */
export class Earpiece {
  private readonly element: HTMLAudioElement;

  constructor() {
    this.element = document.createElement("audio");
    this.element.dataset.testid = "phone-audio";
    this.element.autoplay = true;
    this.element.hidden = true;
    document.body.append(this.element);
  }

  play(stream: MediaStream): void {
    this.element.srcObject = stream;
    this.adjust();
    void this.element.play().catch(() => undefined); // the stream may end before it began
  }

  stop(): void {
    this.element.srcObject = null;
  }

  adjust(choice: SoundChoice = soundChoice()): void {
    this.element.volume = choice.volume;
    void hearThrough(this.element, choice.speaker);
  }
}

/** The bell. */
export class Ringer {
  private readonly element = document.createElement("audio");

  constructor() {
    this.element.loop = true;
  }

  ring(): void {
    this.element.src ||= URL.createObjectURL(new Blob([ringTone()], { type: "audio/wav" }));
    const choice = soundChoice();
    this.element.volume = choice.ringVolume;
    void hearThrough(this.element, choice.ringer);
    this.element.currentTime = 0;
    // Until somebody has clicked, browsers keep pages quiet: the pop is there to be seen.
    void this.element.play().catch(() => undefined);
  }

  stop(): void {
    this.element.pause();
  }
}

/** A short tone at a device, to hear whether it is the right one. */
export async function testTone(device: string, volume: number): Promise<void> {
  const element = document.createElement("audio");
  element.src = URL.createObjectURL(new Blob([wav(chime())], { type: "audio/wav" }));
  element.volume = volume;
  await hearThrough(element, device);
  await element.play();
  element.addEventListener("ended", () => {
    URL.revokeObjectURL(element.src);
  });
}

const RATE = 16_000;

/** Two soft notes and a pause, again and again: heard in a room of many without being shrill. */
function ringTone(): ArrayBuffer {
  const samples = new Float32Array(RATE * 3);
  [523, 659, 523, 659].forEach((pitch, place) => {
    note(samples, pitch, place * 0.3, 0.28);
  });
  return wav(samples);
}

function chime(): Float32Array {
  const samples = new Float32Array(RATE);
  note(samples, 660, 0, 0.9);
  return samples;
}

function note(samples: Float32Array, pitch: number, from: number, length: number): void {
  const first = Math.round(from * RATE);
  const count = Math.round(length * RATE);
  for (let place = 0; place < count && first + place < samples.length; place += 1) {
    const time = place / RATE;
    const swell = Math.min(1, time / 0.01, (length - time) / 0.05);
    const wave = Math.sin(2 * Math.PI * pitch * time) + 0.25 * Math.sin(4 * Math.PI * pitch * time);
    samples[first + place] = 0.5 * Math.max(0, swell) * wave;
  }
}

function wav(samples: Float32Array): ArrayBuffer {
  const buffer = new ArrayBuffer(44 + 2 * samples.length);
  const view = new DataView(buffer);
  const text = (at: number, word: string) => {
    for (let place = 0; place < word.length; place += 1) view.setUint8(at + place, word.charCodeAt(place));
  };
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, place) => {
    view.setInt16(44 + 2 * place, Math.max(-1, Math.min(1, sample)) * 32767, true);
  });
  return buffer;
}
