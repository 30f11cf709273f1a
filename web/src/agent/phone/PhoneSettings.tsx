import { Button, NativeSelect, SegmentedControl, Slider, Stack, Switch, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useAnnouncer } from "../../shared/announce";
import { Dialog } from "../../shared/Dialog";
import { useI18n } from "../../shared/i18n";
import type { Key } from "../../shared/i18n";
import { usePhone } from "../../shared/phone";
import {
  canChooseSpeaker,
  chooseSound,
  closeMicrophone,
  openMicrophone,
  soundChoice,
  testTone,
} from "../../shared/phone/sound";
import type { SoundChoice } from "../../shared/phone/sound";
import { useThisPage } from "./useThisPage";

type Device = "microphone" | "speaker" | "ringer";

/** Which phone, which devices, how loud; each can be tried. */
export function PhoneSettings({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { state, order } = usePhone();
  const makePhone = useThisPage();
  const [sound, setSound] = useState(soundChoice);
  const devices = useDevices();
  const page = state.choice === "page";
  const change = (part: Partial<SoundChoice>) => {
    setSound(chooseSound(part));
    order({ do: "sound" });
  };
  const test = (device: string, volume: number) => {
    testTone(device, volume).catch((error: unknown) => {
      toast(String(error), "bad");
    });
  };
  const select = (name: Device, label: Key) => (
    <NativeSelect
      label={t(label)}
      value={sound[name]}
      data={[
        { value: "", label: t("phone.default") },
        ...devices
          .filter((one) => one.kind === (name === "microphone" ? "audioinput" : "audiooutput"))
          .filter((one) => one.deviceId !== "" && one.deviceId !== "default")
          .map((one) => ({ value: one.deviceId, label: one.label })),
      ]}
      disabled={name !== "microphone" && !canChooseSpeaker()}
      onChange={(event) => {
        change({ [name]: event.currentTarget.value });
      }}
      data-testid={`phone-${name}`}
    />
  );
  return (
    <Dialog opened onClose={onClose} title={t("phone.settings")}>
      <Stack gap="md">
        <div>
          <Text fw={600} size="sm" mb={4} id="which-phone">
            {t("phone.which")}
          </Text>
          <SegmentedControl
            fullWidth
            aria-labelledby="which-phone"
            value={page ? "page" : "own"}
            data={[
              { value: "page", label: t("phone.page") },
              { value: "own", label: t("phone.use_own") },
            ]}
            onChange={(value) => {
              if (value === "page") void makePhone();
              else order({ do: "use", phone: "own" });
            }}
            data-testid="phone-which"
          />
        </div>
        {page && (
          <>
            {select("microphone", "phone.microphone")}
            <Level sound={sound} />
            <Switch
              label={t("phone.cleaned")}
              checked={sound.cleaned}
              onChange={(event) => {
                change({ cleaned: event.currentTarget.checked });
              }}
            />
            {select("speaker", "phone.speaker")}
            <Volume
              label={t("phone.volume")}
              value={sound.volume}
              onChange={(volume) => {
                change({ volume });
              }}
              onTest={() => {
                test(sound.speaker, sound.volume);
              }}
            />
            {select("ringer", "phone.ringer")}
            <Volume
              label={t("phone.ring_volume")}
              value={sound.ringVolume}
              onChange={(ringVolume) => {
                change({ ringVolume });
              }}
              onTest={() => {
                test(sound.ringer, sound.ringVolume);
              }}
            />
          </>
        )}
      </Stack>
    </Dialog>
  );
}

function Volume(props: {
  label: string;
  value: number;
  onChange: (value: number) => void;
  onTest: () => void;
}) {
  const { t } = useI18n();
  return (
    <div className="volume">
      <Slider
        min={0}
        max={100}
        step={5}
        value={Math.round(props.value * 100)}
        onChange={(value) => {
          props.onChange(value / 100);
        }}
        thumbLabel={props.label}
        label={(value) => `${value} %`}
      />
      <Button size="xs" variant="default" onClick={props.onTest} aria-label={`${t("phone.test")}: ${props.label}`}>
        {t("phone.test")}
      </Button>
    </div>
  );
}

/** How loud one speaks, as long as it is looked at. */
function Level({ sound }: { sound: SoundChoice }) {
  const { t } = useI18n();
  const meter = useRef<HTMLMeterElement>(null);
  const { microphone, cleaned } = sound;
  useEffect(() => {
    let stream: MediaStream | null = null;
    let frame = 0;
    let gone = false;
    const context = new AudioContext();
    void openMicrophone({ ...soundChoice(), microphone, cleaned })
      .then((opened) => {
        if (gone) {
          closeMicrophone(opened);
          return;
        }
        stream = opened;
        const analyser = context.createAnalyser();
        context.createMediaStreamSource(opened).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        const look = () => {
          analyser.getFloatTimeDomainData(samples);
          const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
          // From -60 dB, a quiet room, to full scale.
          const level = Math.max(0, 1 + Math.log10(power + 1e-9) / 6);
          if (meter.current !== null) meter.current.value = level;
          frame = requestAnimationFrame(look);
        };
        look();
      })
      .catch(() => undefined); // the notice above the desk says what is wrong
    return () => {
      gone = true;
      cancelAnimationFrame(frame);
      closeMicrophone(stream);
      void context.close();
    };
  }, [microphone, cleaned]);
  return <meter ref={meter} className="level" min={0} max={1} aria-label={t("phone.level")} data-testid="phone-level" />;
}

function useDevices(): readonly MediaDeviceInfo[] {
  const [devices, setDevices] = useState<readonly MediaDeviceInfo[]>([]);
  useEffect(() => {
    // Absent in pages that were opened without https.
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) return undefined;
    const look = () => {
      void media.enumerateDevices().then(setDevices);
    };
    look();
    media.addEventListener("devicechange", look);
    return () => {
      media.removeEventListener("devicechange", look);
    };
  }, []);
  return devices;
}
