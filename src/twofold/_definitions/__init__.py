"""The classes that users define or hold: messages, envelopes, aggregates, views, `on`, `Cache`, `Retry`, positions."""
