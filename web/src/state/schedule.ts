// Things that are done now and then, while the page is seen.

const SECONDS = 60;

// Calls a function every minute, and when the page is seen again. Returns what ends that.
export function askNowAndThen(ask: () => unknown): () => void {
  const askIfSeen = () => {
    if (document.visibilityState === "visible") ask();
  };
  const timer = setInterval(askIfSeen, SECONDS * 1000);
  document.addEventListener("visibilitychange", askIfSeen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", askIfSeen);
  };
}
