"""The rows of the table that are about trust: TLS to Redis, and what is let in. Data only."""

from __future__ import annotations

from tqd.config.setting import Kind, Reload, Setting

TLS_SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="redis.ca_file",
        kind=Kind.TEXT,
        default="",
        pattern_rule="a file; empty: the certificate authorities of the system",
        reload=Reload.RESTART,
        effect="The certificate authority that Redis's certificate must come from (rediss://).",
    ),
    Setting(
        key="redis.cert_file",
        kind=Kind.TEXT,
        default="",
        pattern_rule="a file; empty: no certificate is shown",
        reload=Reload.RESTART,
        effect="The certificate that is shown to a Redis which asks for one (rediss://).",
    ),
    Setting(
        key="redis.key_file",
        kind=Kind.TEXT,
        default="",
        pattern_rule="a file; empty: the key is in redis.cert_file",
        reload=Reload.RESTART,
        effect="The private key of redis.cert_file.",
    ),
)

SECURITY_SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="security.max_payload_size_mb",
        kind=Kind.NUMBER,
        default=1.0,
        unit="MB",
        low=0,
        above_low=True,
        high=64,
        reload=Reload.WORKERS,
        effect="How large a task's arguments may be when packed; larger ones are refused.",
    ),
    Setting(
        key="security.signing_keys_file",
        kind=Kind.TEXT,
        default="",
        pattern_rule="a file; empty: $CREDENTIALS_DIRECTORY/signing-keys when there is one",
        reload=Reload.WORKERS,
        effect="A file with a key in each line: tasks that are not signed by one of them never run.",
    ),
)
