// The language of the page: the reader's choice, else the browser's, else English.

import { en, type Messages } from "./en";

type Language = { name: string; direction: "ltr" | "rtl"; load: () => Promise<Messages> };

// A language is one more line here, and one more catalogue.
export const languages: Record<string, Language> = {
  en: { name: "English", direction: "ltr", load: async () => en },
  de: { name: "Deutsch", direction: "ltr", load: async () => (await import("./de")).de },
};

const CHOICE = "language";

// The messages. Modules that import it see the chosen catalogue.
export let t: Messages = en;

export async function chooseLanguage(): Promise<void> {
  const wanted = [localStorage.getItem(CHOICE) ?? "", ...navigator.languages];
  const codes = wanted.map((language) => language.split("-")[0] ?? "");
  await speak(codes.find((code) => code in languages) ?? "en").catch(() => speak("en"));
}

// Throws if the catalogue cannot be loaded.
async function speak(code: string): Promise<void> {
  const language = languages[code]!;
  t = await language.load();
  document.documentElement.lang = code;
  document.documentElement.dir = language.direction;
}

// Shows the client in another language: it starts anew.
export function changeLanguage(code: string): void {
  localStorage.setItem(CHOICE, code);
  location.reload();
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

// They take longer to make than to use. A page has one language.
let relative: Intl.RelativeTimeFormat | undefined;
let absolute: Intl.DateTimeFormat | undefined;

// "3 hours ago".
export function ago(time: string): string {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  relative ??= new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(0, "second");
}

export function fullTime(time: string): string {
  const format = { dateStyle: "long", timeStyle: "short" } as const;
  absolute ??= new Intl.DateTimeFormat(document.documentElement.lang, format);
  return absolute.format(new Date(time));
}
