import { Alert, Button, Group, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAnnouncer } from "../shared/announce";
import type { Template } from "../shared/api";
import { languageName, phone } from "../shared/format";
import { useI18n } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { errorText } from "../shared/messages";
import { useDraftOf, useTemplates, useWriteMessage } from "../shared/queries";

interface Props {
  readonly customerId: string;
  readonly caseId: string | null;
  readonly onDone: () => void;
}

/** A message from a template: chosen, filled, looked over, and sent. */
export function WriteTo({ customerId, caseId, onDone }: Props) {
  const { t, language: ours } = useI18n();
  const { data: templates } = useTemplates();
  const [templateId, setTemplateId] = useState("");
  const [language, setLanguage] = useState("");
  const template = templates?.items.find((one) => one.id === templateId);
  return (
    <div className="next-form">
      {templates?.items.length === 0 && <p className="dimmed">{t("next.no_templates")}</p>}
      <div className="sheet-fields">
        <NativeSelect
          label={t("next.template")}
          value={templateId}
          onChange={(event) => {
            setTemplateId(event.currentTarget.value);
            setLanguage("");
          }}
          data={[
            { value: "", label: t("next.choose_template") },
            ...(templates?.items ?? []).map((one) => ({
              value: one.id,
              label: `${t(`channel.${one.channel}`)}: ${one.name}`,
            })),
          ]}
          data-testid="message-template"
        />
        {template !== undefined && template.texts.length > 1 && (
          <NativeSelect
            label={t("customer.language")}
            value={language}
            onChange={(event) => {
              setLanguage(event.currentTarget.value);
            }}
            data={[
              { value: "", label: t("next.customers_language") },
              ...template.texts.map((one) => ({
                value: one.language,
                label: languageName(one.language, ours),
              })),
            ]}
          />
        )}
      </div>
      {template !== undefined && (
        <Filled
          key={`${template.id} ${language}`}
          template={template}
          customerId={customerId}
          caseId={caseId}
          language={language}
          onDone={onDone}
        />
      )}
    </div>
  );
}

function Filled(props: {
  template: Template;
  customerId: string;
  caseId: string | null;
  language: string;
  onDone: () => void;
}) {
  const { template, customerId, caseId, language, onDone } = props;
  const { t } = useI18n();
  const { toast } = useAnnouncer();
  const { data: draft } = useDraftOf(template.id, customerId, caseId, language);
  const write = useWriteMessage();
  const [subject, setSubject] = useState<string | null>(null);
  const [text, setText] = useState<string | null>(null);
  const [to, setTo] = useState<string | null>(null);
  if (draft === undefined) return null;
  const address = to ?? draft.to[0];
  const body = text ?? draft.body;
  const send = async () => {
    if (address === undefined) return;
    try {
      await write.mutateAsync({
        channel: template.channel,
        customer_id: customerId,
        to: address,
        body,
        ...(template.channel === "email" ? { subject: subject ?? draft.subject } : {}),
        ...(caseId === null ? {} : { case_id: caseId }),
        template_id: template.id,
      });
      toast(t(draft.will_be_sent ? "next.on_its_way" : "next.queued"));
      onDone();
    } catch (error) {
      toast(errorText(t, error), "bad");
    }
  };
  return (
    <form
      lang={draft.language}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {!draft.will_be_sent && (
        <Alert color="yellow" variant="light" icon={<Icon name="info" />} mt="sm" data-testid="not-sent-yet">
          {t(`next.not_sent_yet.${template.channel}`)}
        </Alert>
      )}
      {address === undefined ? (
        <p className="bad" role="alert">
          {t(template.channel === "email" ? "next.no_address" : "next.no_phone")}
        </p>
      ) : (
        <NativeSelect
          mt="xs"
          label={t("next.to")}
          value={address}
          onChange={(event) => {
            setTo(event.currentTarget.value);
          }}
          data={draft.to.map((one) => ({ value: one, label: phone(one) }))}
        />
      )}
      {template.channel === "email" && (
        <TextInput
          mt="xs"
          label={t("next.subject")}
          value={subject ?? draft.subject}
          maxLength={1000}
          onChange={(event) => {
            setSubject(event.currentTarget.value);
          }}
        />
      )}
      <Textarea
        mt="xs"
        label={t("timeline.message_text")}
        value={body}
        autosize
        minRows={3}
        maxRows={14}
        onChange={(event) => {
          setText(event.currentTarget.value);
        }}
        data-testid="message-text"
      />
      <Group justify="flex-end" gap="xs" mt="sm">
        <Button variant="default" size="xs" onClick={onDone}>
          {t("customer.cancel")}
        </Button>
        <Button
          type="submit"
          size="xs"
          loading={write.isPending}
          disabled={address === undefined || body.trim() === ""}
          leftSection={draft.will_be_sent ? <Icon name="send" size={14} /> : undefined}
          data-testid="message-save"
        >
          {t(draft.will_be_sent ? "next.message_send" : "next.message_save")}
        </Button>
      </Group>
    </form>
  );
}
