import { Button, Skeleton, Text } from "@mantine/core";
import type { Channel, SearchHit } from "../api";
import { clockTime, fullMoment, moment } from "../format";
import { useNow } from "../hooks";
import { useI18n } from "../i18n";
import { Icon } from "../icons";
import { errorText } from "../messages";
import { useSearch } from "../queries";
import type { Place } from "../route";
import { CHANNEL_ICONS } from "./channels";
import { nameless } from "./caller";

interface Props {
  readonly text: string;
  /** Whose entries; null for everybody's. */
  readonly customerId: string | null;
  readonly channel: Channel | null;
  /** An entry that is not to be found: it stands elsewhere on the page. */
  readonly except?: string | null;
  readonly onChoose: (hit: SearchHit, place: Place) => void;
}

/** What a search found in what was said, each leading to its entry, and to its second in a recording. */
export function SearchHits({ text, customerId, channel, except = null, onChoose }: Props) {
  const { t } = useI18n();
  const found = useSearch(text, customerId, channel);
  const hits = found.data?.pages.flatMap((page) => page.items).filter((hit) => hit.interaction.id !== except);
  if (found.error !== null) {
    return (
      <Text role="alert" size="sm" c="red">
        {errorText(t, found.error)}
      </Text>
    );
  }
  if (hits === undefined) return <Skeleton height={56} />;
  return (
    <>
      <Text c="dimmed" size="sm" role="status" mb="xs">
        {hits.length === 0
          ? t("search.none", { query: text })
          : t(found.hasNextPage ? "search.many" : "search.count", { count: hits.length })}
      </Text>
      <ul className="hits" data-testid="search-hits">
        {hits.map((hit) => (
          <Hit key={hit.interaction.id} hit={hit} whose={customerId === null} onChoose={onChoose} />
        ))}
      </ul>
      {found.hasNextPage && (
        <Button
          variant="default"
          fullWidth
          loading={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          {t("search.more")}
        </Button>
      )}
    </>
  );
}

function Hit({ hit, whose, onChoose }: { hit: SearchHit; whose: boolean; onChoose: Props["onChoose"] }) {
  const { t, language } = useI18n();
  const now = useNow(60_000);
  const { interaction } = hit;
  const name = hit.customer_name === "" ? nameless(interaction.call?.caller ?? "", t) : hit.customer_name;
  return (
    <li className="hit" data-testid="search-hit">
      <div className="entry-head">
        <Icon name={CHANNEL_ICONS[interaction.channel]} size={16} />
        <b>{whose ? name : t(`channel.${interaction.channel}`)}</b>
        {whose && <span className="dimmed">{t(`channel.${interaction.channel}`)}</span>}
        <time dateTime={interaction.started_at} title={fullMoment(interaction.started_at, language)}>
          {moment(interaction.started_at, language, now)}
        </time>
      </div>
      {hit.found.map((one) => (
        <button
          key={`${one.place} ${one.recording_id ?? ""}`}
          type="button"
          className="hit-text"
          onClick={() => {
            onChoose(hit, {
              entry: interaction.id,
              ...(one.recording_id === null ? {} : { recording: one.recording_id }),
              ...(one.at_s === null ? {} : { at: one.at_s }),
            });
          }}
          data-testid="hit-text"
        >
          <span className="hit-place">
            {t(`search.in.${one.place}`)}
            {one.at_s !== null && ` ${clockTime(one.at_s)}`}
          </span>{" "}
          {one.pieces.map((piece, place) =>
            piece.hit ? <mark key={place}>{piece.text}</mark> : <span key={place}>{piece.text}</span>,
          )}
        </button>
      ))}
    </li>
  );
}
