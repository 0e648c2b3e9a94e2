// Numbers in messages, as the page's language writes them.

// "1 like", "1,234 likes". For languages with two forms.
export function counted(n: number, one: string, other: string): string {
  const language = document.documentElement.lang;
  const form = new Intl.PluralRules(language).select(n) === "one" ? one : other;
  return `${new Intl.NumberFormat(language).format(n)} ${form}`;
}
