import type { Language } from "./i18n";

const LOCALES: Record<Language, string> = { es: "es-ES", en: "en-GB" };

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** A length of time as a clock shows it: 0:07, 12:30, 1:02:03; from two days on, in days. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole >= 2 * 86400) return `${Math.floor(whole / 86400)} d`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A length of time in words' units: 7 s, 12 min, 1 h 2 min. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (whole < 600 && whole % 60 !== 0) return `${minutes} min ${whole % 60} s`;
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long ago, in words: "hace 3 días". */
export function ago(time: string, language: Language, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000;
  const words = new Intl.RelativeTimeFormat(LOCALES[language], { numeric: "auto" });
  const size = Math.abs(seconds);
  if (size < 45) return words.format(0, "second");
  if (size < 45 * 60) return words.format(Math.round(seconds / 60), "minute");
  if (size < 22 * 3600) return words.format(Math.round(seconds / 3600), "hour");
  if (size < 26 * 86400) return words.format(Math.round(seconds / 86400), "day");
  if (size < 320 * 86400) return words.format(Math.round(seconds / (30.4 * 86400)), "month");
  return words.format(Math.round(seconds / (365.25 * 86400)), "year");
}

/** A moment: the hour when it is today, else the day too, and the year when it is another one. */
export function moment(time: string, language: Language, now: number): string {
  const [then, today] = [new Date(time), new Date(now)];
  const format = new Intl.DateTimeFormat(LOCALES[language], {
    hour: "2-digit",
    minute: "2-digit",
    ...(then.toDateString() === today.toDateString() ? {} : { day: "numeric", month: "short" }),
    ...(then.getFullYear() === today.getFullYear() ? {} : { year: "numeric" }),
  });
  return format.format(then);
}

/** A moment in full, for those who point at the short form. */
export function fullMoment(time: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], {
    dateStyle: "full",
    timeStyle: "medium",
  }).format(new Date(time));
}

export function day(time: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { dateStyle: "medium" }).format(new Date(time));
}

/** The name of a language in the language of the page: "es" is "español" or "Spanish". */
export function languageName(code: string, language: Language): string {
  if (!/^[a-z]{2}$/.test(code)) return code;
  return new Intl.DisplayNames([LOCALES[language]], { type: "language" }).of(code) ?? code;
}

/** A number as people read it. Spanish ones in threes, as they are said; others in threes too. */
export function phone(number: string): string {
  const spanish = /^\+34(\d{3})(\d{3})(\d{3})$/.exec(number);
  if (spanish !== null) return `+34 ${spanish.slice(1).join(" ")}`;
  const other = /^\+(\d{7,15})$/.exec(number)?.[1];
  if (other === undefined) return number;
  const code = COUNTRY_CODE.exec(other)?.[0] ?? "";
  return `+${code} ${inThrees(other.slice(code.length))}`.trim();
}

/** ITU-T E.164: one digit for two zones, two for the countries named here, three for all others. */
const COUNTRY_CODE =
  /^(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/;

/** In groups of three, of which the last has up to four: no digit stands alone. */
function inThrees(digits: string): string {
  return digits.replace(/(\d{3})(?=\d{2})/g, "$1 ");
}

/** Whether a caller shows no number. */
export function isAnonymous(caller: string): boolean {
  return caller === "" || /^(anonymous|restricted|unavailable|unknown|withheld)$/i.test(caller);
}
