// The client itself, which is loaded while the first answers are on their way.

import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { chooseLanguage } from "./i18n/language";
import { startSession } from "./api/session.svelte";

// The session starts while the messages load.
const started = startSession();
started.catch(() => {}); // the page tells it, once it is there
await chooseLanguage();
mount(App, { target: document.body, props: { started } });
// `npm run dev` has none. A browser that has none, or refuses it, shows the client as well.
if (import.meta.env.PROD) navigator.serviceWorker?.register("/service-worker.js").catch(() => {});
