"""`tqd doctor`: is this Redis fit for tqd, and with --audit, is everything in it where it belongs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence

from tqd.cli.lines import cut, printable
from tqd.cli.main import given
from tqd.config.load import load
from tqd.config.model import Config
from tqd.config.secret import check_tls_files, read_password
from tqd.errors import StoreUnavailable
from tqd.store.access_rule import access_rule
from tqd.store.audit import Finding, Kind
from tqd.store.auditor import Auditor, Found, Report
from tqd.store.checkup import Advice, Facts, Level, ask, connections, diagnose
from tqd.store.connection import Endpoint, SyncLink
from tqd.store.keys import Keys
from tqd.system import exits
from tqd.system.runtime import choose
from tqd.system.usage import cores
from tqd.task.identity import ID_BYTES, to_text
from tqd.worker.loading import load_app

_DO = {
    Kind.SEVERAL_PLACES: "--repair keeps the newest claim, else the dead letter, else one place",
    Kind.NO_PLACE: "--repair puts the task back into its queue",
    Kind.NO_PAYLOAD: "--repair takes the id out; in claims it goes when its worker settles it",
    Kind.NO_RECORD: "--repair takes the id out, or back into its queue if its payload is there",
    Kind.STRAY_RECORD: "--repair makes it a dead letter again, or drops it when the task lives",
    Kind.STRAY_COUNTS: "--repair drops them",
    Kind.STRAY_KEY: "--repair frees it; the next task with this key takes it over as well",
    Kind.STRAY_MARK: "--repair drops it",
    Kind.NO_OWNER: "--repair has a keeper take its tasks back",
    Kind.RINGING: "--repair leaves one token",
    Kind.ENDLESS: "--repair lets it expire",
    Kind.OTHER_TYPE: "find out who writes there, and move or delete it",
}


def run(options: argparse.Namespace) -> int:
    """Check and print; 0 all well, 1 something was found, 69 Redis cannot be reached."""
    config = load(options.config, os.environ, given(options), cores())
    endpoint, namespace = _where(config)
    if options.acl:
        print(f"ACL SETUSER {access_rule(options.acl, namespace)}")
        return exits.OK
    link = SyncLink(endpoint)
    try:
        facts = ask(link)
        advice = diagnose(facts, connections(config.workers.initial_count))
        report = None
        if options.audit or options.repair:
            auditor = Auditor(link, Keys(namespace), config.queues.names[0], options.limit)
            report = auditor.audit(mend=options.repair)
    except StoreUnavailable as error:
        if not options.json:
            raise
        print(json.dumps({"redis_url": str(endpoint), "reachable": False, "error": str(error)}, indent=2))
        return exits.UNAVAILABLE
    finally:
        link.close()
    if options.json:
        print(json.dumps(as_json(endpoint, namespace, facts, advice, report), indent=2))
    else:
        print("\n".join(lines(endpoint, namespace, facts, advice, report)))
    return exits.FAILURE if advice or (report is not None and report.found) else exits.OK


def _where(config: Config) -> tuple[Endpoint, str]:
    """Return the Redis and the namespace that a daemon of this configuration uses."""
    redis = config.redis
    url, namespace = redis.url, redis.namespace
    if redis.embedded:
        url = f"unix://{choose(config.daemon.runtime_dir, os.environ).redis_socket}"
    elif config.tasks.app and not (config.explicit("redis.url") and config.explicit("redis.namespace")):
        queue = load_app(config.tasks.app, config.tasks.modules, os.getcwd())
        url = url if config.explicit("redis.url") else queue.endpoint.url
        namespace = namespace if config.explicit("redis.namespace") else queue.namespace
    password = read_password(config, os.environ)
    check_tls_files(config)
    return Endpoint.configured(redis, url, password), namespace


def lines(
    endpoint: Endpoint, namespace: str, facts: Facts, advice: Sequence[Advice], report: Report | None
) -> list[str]:
    """Return one line for each finding, and one that says what was looked at."""
    out = [f"{one.level}: {one.check}: {one.what}: {one.why}; {one.do}" for one in advice]
    if report is not None:
        out += [f"{Level.ERROR}: audit: {_finding(found)}" for found in report.found]
        out += [f"note: audit: {text}" for text in _bounds(report)]
    count = len(advice) + len(report.found if report else ())
    verdict = "all is well" if not count else "1 finding" if count == 1 else f"{count} findings"
    out.append(f"{server(facts)} at {endpoint}: {verdict}")
    if report is not None:
        tasks = "1 task" if report.tasks == 1 else f"{report.tasks} tasks"
        out[-1] += f"; {tasks} of the namespace {printable(namespace)} looked at"
    return out


def server(facts: Facts) -> str:
    """Return the name and the version of the server, as it says itself."""
    info = facts.info
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', 'of an unknown version')}"


def _finding(found: Found) -> str:
    finding = found.finding
    where = ", ".join(printable(place) for place in finding.places)
    subject = f"{finding.kind} ({where})"
    if finding.task_id:
        subject = f"task {cut(to_text(finding.task_id), 2 * ID_BYTES)}: {subject}"
    return f"{subject}: {'mended: ' + printable(found.mended) if found.mended else _DO[finding.kind]}"


def _bounds(report: Report) -> list[str]:
    out = [f"{printable(name)} was not read to its end; --limit N reads more" for name in report.unread]
    if report.unchecked:
        out.append(f"{report.unchecked} suspicions were not looked into; run it again when less goes on")
    return out


def as_json(
    endpoint: Endpoint, namespace: str, facts: Facts, advice: Sequence[Advice], report: Report | None
) -> dict[str, object]:
    """Return the same for programs."""
    out: dict[str, object] = {
        "redis_url": str(endpoint),
        "reachable": True,
        "server": server(facts),
        "namespace": namespace,
        "clock_offset_s": round(facts.offset_s, 3),
        "findings": [one._asdict() for one in advice],
    }
    if report is not None:
        out["audit"] = {
            "tasks": report.tasks,
            "unread": report.unread,
            "unchecked": report.unchecked,
            "findings": [_row(found.finding, found.mended) for found in report.found],
        }
    return out


def _row(finding: Finding, mended: str) -> dict[str, object]:
    return {
        "kind": finding.kind.name.lower(),
        "what": finding.kind,
        "places": finding.places,
        "task": to_text(finding.task_id) if finding.task_id else None,
        "mended": mended or None,
    }
