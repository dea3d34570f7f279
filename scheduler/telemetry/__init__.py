"""What others see of a scheduler: log records, and the spans and metrics of OpenTelemetry.

Log records and metrics are made from events. OpenTelemetry is never imported on headrace's own
account: it is used if the program has imported it and set a provider (docs/observability.md).
"""
