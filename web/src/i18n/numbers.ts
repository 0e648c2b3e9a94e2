// Numbers in messages, as the page's language writes them.

// "1 like", "1,234 likes". For languages with two forms.
export function counted(n: number, one: string, other: string): string {
  const language = document.documentElement.lang;
  const form = new Intl.PluralRules(language).select(n) === "one" ? one : other;
  return `${new Intl.NumberFormat(language).format(n)} ${form}`;
}

// "30 seconds", "12 hours": in one unit, rounded up.
export function duration(seconds: number): string {
  const [unit, length] =
    seconds >= 5400 ? ["hour", 3600] : seconds >= 90 ? ["minute", 60] : ["second", 1];
  const format = { style: "unit", unit, unitDisplay: "long" } as const;
  const language = document.documentElement.lang;
  return new Intl.NumberFormat(language, format).format(Math.ceil(seconds / length));
}

// "ada, bea and 2 others". `others`: how many more there are, as text; empty if there are none.
export function listed(names: string[], others = ""): string {
  const format = new Intl.ListFormat(document.documentElement.lang, { type: "conjunction" });
  return format.format(others ? [...names, others] : names);
}
