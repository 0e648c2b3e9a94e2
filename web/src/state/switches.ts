// Likes and follows: what one switches on and off, maybe faster than the API answers.

const wishes = new Map<string, boolean>();

// Sends a wish, and afterwards the latest one if it has changed meanwhile, one request at a time.
// `show` is called with the answer to the last one. Throws `Problem`: then nothing more is sent, and
// the caller takes back what it has shown.
export async function settle<State>(
  key: string,
  wish: boolean,
  send: (wish: boolean) => Promise<State>,
  show: (state: State) => void,
): Promise<void> {
  const isUnderWay = wishes.has(key);
  wishes.set(key, wish);
  if (isUnderWay) return;
  try {
    let sent: boolean;
    let state: State;
    do {
      sent = wishes.get(key)!;
      state = await send(sent);
    } while (wishes.get(key) !== sent);
    show(state);
  } finally {
    wishes.delete(key);
  }
}
