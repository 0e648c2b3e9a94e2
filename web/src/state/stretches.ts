// A list that grows at both ends, in stretches: one that is far away is replaced as a whole.

const LENGTH = 20;

// `key`: the first item that it had.
export type Stretch = { key: string; ids: string[] };

export class Stretches {
  // The key of the stretch of each item. An item stays in its stretch, so it is not made anew.
  readonly #keys = new Map<string, string>();

  split(ids: string[]): Stretch[] {
    const found: Stretch[] = [];
    for (const id of ids) {
      const last = found.at(-1);
      const isFull = !last || last.ids.length >= LENGTH;
      const key = this.#keys.get(id) ?? (isFull ? id : last.key);
      this.#keys.set(id, key);
      if (last?.key === key) last.ids.push(id);
      else found.push({ key, ids: [id] });
    }
    return found;
  }
}
