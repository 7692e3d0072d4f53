"""Pages for what a chat cannot carry: uploads over its limits, model files, webhooks, health and metrics."""
