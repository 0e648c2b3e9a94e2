"""Timeline: home and profile timelines. Valkey only; SQL has all that they hold."""
