import { Kbd, Switch, Table } from "@mantine/core";
import { useState } from "react";
import { Dialog } from "./Dialog";
import { useI18n } from "./i18n";
import type { Key } from "./i18n";
import { enableShortcuts, shortcutsEnabled } from "./shortcuts";

const KEYS: readonly { keys: readonly string[]; text: Key; supervisor?: true }[] = [
  { keys: ["?"], text: "help.key.help" },
  { keys: ["1"], text: "help.key.desk" },
  { keys: ["2"], text: "help.key.customers" },
  { keys: ["3"], text: "help.key.tasks" },
  { keys: ["4"], text: "help.key.board", supervisor: true },
  { keys: ["/"], text: "help.key.search" },
  { keys: ["a"], text: "help.key.available" },
  { keys: ["s"], text: "help.key.status" },
  { keys: ["n"], text: "help.key.note" },
  { keys: ["c"], text: "help.key.answer" },
  { keys: ["x"], text: "help.key.hang_up" },
  { keys: ["m"], text: "help.key.mute" },
  { keys: ["h"], text: "help.key.hold" },
  { keys: ["k"], text: "help.key.keys" },
  { keys: ["p"], text: "help.key.phone" },
  { keys: ["g"], text: "help.key.dial" },
  { keys: ["t"], text: "help.key.transfer" },
  { keys: ["q"], text: "help.key.consult" },
  { keys: ["w"], text: "help.key.swap" },
  { keys: ["e"], text: "help.key.complete" },
  { keys: ["j"], text: "help.key.confer" },
  { keys: ["b"], text: "help.key.take_back" },
  { keys: ["y"], text: "help.key.park" },
  { keys: ["r"], text: "help.key.recording" },
  { keys: ["Ctrl", "Enter"], text: "help.key.save" },
  { keys: ["↑"], text: "help.key.task_before" },
  { keys: ["↓"], text: "help.key.task_after" },
  { keys: ["t"], text: "help.key.task_take" },
  { keys: ["o"], text: "help.key.task_open" },
  { keys: ["d"], text: "help.key.task_done" },
  { keys: ["k"], text: "help.key.play" },
  { keys: ["j"], text: "help.key.play_back" },
  { keys: ["l"], text: "help.key.play_on" },
];

/** The list of shortcuts, and the switch for those who don't want them. */
export function Help(props: { opened: boolean; supervises: boolean; onClose: () => void }) {
  const { t } = useI18n();
  const [enabled, setEnabled] = useState(shortcutsEnabled);
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={t("help.title")}>
      <Table verticalSpacing="xs">
        <Table.Tbody>
          {KEYS.filter((one) => props.supervises || one.supervisor === undefined).map((one) => (
            <Table.Tr key={one.text}>
              <Table.Td w={150}>
                {one.keys.map((key, place) => (
                  <span key={key}>
                    {place > 0 && " + "}
                    <Kbd>{key}</Kbd>
                  </span>
                ))}
              </Table.Td>
              <Table.Td>{t(one.text)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Switch
        mt="md"
        label={t("help.enabled")}
        checked={enabled}
        onChange={(event) => {
          const on = event.currentTarget.checked;
          enableShortcuts(on);
          setEnabled(on);
        }}
      />
    </Dialog>
  );
}
