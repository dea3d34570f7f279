"""Names of spans, attributes and metrics: those of OpenTelemetry for messaging, then our own.

https://opentelemetry.io/docs/specs/semconv/messaging/ A task is the message, its agent_type the
destination. The names stand here because the package that has them is not stable yet.
"""

from __future__ import annotations

SCOPE = "headrace"

SYSTEM = "messaging.system"
DESTINATION = "messaging.destination.name"  # the agent_type
OPERATION = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
MESSAGE_ID = "messaging.message.id"  # the id of the task
CONVERSATION = "messaging.message.conversation_id"  # its group
BATCH_COUNT = "messaging.batch.message_count"
CLIENT = "messaging.client.id"  # the holder
ERROR_TYPE = "error.type"
ERROR_OTHER = "_OTHER"
EXCEPTION = "exception"  # the event of a span
EXCEPTION_TYPE = "exception.type"
EXCEPTION_STACKTRACE = "exception.stacktrace"

ATTEMPT = "headrace.task.attempt"
OUTCOME = "headrace.task.outcome"
STATUS = "headrace.task.status"
DATABASE = "headrace.database"

SENT = "messaging.client.sent.messages"
CONSUMED = "messaging.client.consumed.messages"
PROCESS_DURATION = "messaging.process.duration"
TASKS = "headrace.tasks"
TIME_TO_READY = "headrace.task.time_to_ready"
TIME_TO_CLAIM = "headrace.task.time_to_claim"
RETRIES = "headrace.task.retries"
LEASES_EXPIRED = "headrace.lease.expired"
COMMIT_ROWS = "headrace.commit.rows"
COMMIT_DURATION = "headrace.commit.duration"


def version() -> str:
    """That of headrace, for the scope of spans and metrics."""
    from importlib import metadata  # takes 20 ms to import

    return metadata.version(SCOPE)
