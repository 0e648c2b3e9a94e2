"""What all endpoints share: problems, pages, rate limits, idempotency, rendering, probes."""
