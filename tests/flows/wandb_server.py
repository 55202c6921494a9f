"""A W&B server on the loopback, as much of it as the client talks to, that remembers what it was sent.

Written from what the client of version 0.31 asks (its queries name what they want) and does with the answers: what a
real server does beyond that is not known here. A question that it was not written for is answered by 400 and noted, so
that it fails a test rather than passes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from tests.flows.wandb_http import Handler

ENTITY = "somebody"
CLOCK = frozenset({"_timestamp", "_runtime", "_wandb"})
"""Figures that tell when, not what."""

COUNT = frozenset({"_step"})
"""In a summary: how many rows the client has sent, none where it resumed a run and had nothing to add."""


@dataclass
class StoredRun:
    """What a run has sent."""

    project: str
    name: str
    about: dict[str, Any] = field(default_factory=dict)
    history: dict[int, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    exit_code: int | None = None
    streamed: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """As last sent, without the client's own part."""
        values = json.loads(self.about.get("config") or "{}")
        return {key: value["value"] for key, value in values.items() if key != "_wandb"}

    def rows(self) -> list[dict[str, Any]]:
        """History, by line number."""
        return [json.loads(self.history[number]) for number in sorted(self.history)]

    def content(self) -> list[Any]:
        """All but clocks."""
        rows = [{key: value for key, value in row.items() if key not in CLOCK} for row in self.rows()]
        summary = {key: value for key, value in self.summary.items() if key not in CLOCK | COUNT}
        files = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items() if "media/" in name}
        return [self.config, rows, summary, files, sorted(self.uses), self.exit_code]


@dataclass
class StoredArtifact:
    """A version of an artifact: name to storage path of its files."""

    name: str
    kind: str
    digest: str
    metadata: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    is_committed: bool = False


class WandbServer:
    """The server's memory and its answers.

    Attributes:
        refusal: how everything is answered, where not as it should be: a status; ``hang`` for never.
        unanswered: questions that nobody wrote an answer to.
    """

    def __init__(self, refusal: int | str | None = None) -> None:
        self.refusal = refusal
        self.refuses = re.compile("")
        self.url = ""
        self.runs: dict[tuple[str, str], StoredRun] = {}
        self.artifacts: dict[str, StoredArtifact] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.unanswered: list[str] = []
        self.sent: list[bytes] = []
        self.released = threading.Event()
        self._lock = threading.RLock()

    def run(self, run_id: str) -> StoredRun:
        """The run of that id, in whichever project."""
        (found,) = [run for (_, name), run in self.runs.items() if name == run_id]
        return found

    def content(self) -> dict[str, str]:
        """A digest of everything that is kept, clocks aside: servers with equal ones show the same."""
        kept: dict[str, Any] = {"/".join(key): run.content() for key, run in self.runs.items()}
        for key, one in self.artifacts.items():
            kept[key] = [one.name, one.kind, one.metadata, sorted(one.files), one.is_committed]
        return {
            name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest() for name, value in kept.items()
        }

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """The data of an answer; None where there is none to give."""
        found = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else query.strip()[:60]
        answer = getattr(self, f"_{name}", None)
        with self._lock:
            if answer is None:
                self.unanswered.append(f"{name} {json.dumps(variables)}")
                return None
            data: dict[str, Any] = answer(variables)
            return data

    def put(self, path: str, body: bytes) -> None:
        """A file's content, at the address it was told to use."""
        with self._lock:
            _, _, kind, place = path.partition("?")[0].split("/", 3)
            if kind == "file":
                project, run, name = place.split("/", 2)
                self.runs[project, run].files[name] = body
            else:
                self.blobs[place] = body

    def stream(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Lines of a run's history and summary; a line that comes again at its number is the same line."""
        _, _, project, run = path.strip("/").split("/")[:4]
        with self._lock:
            stored = self.runs[project, run]
            stored.streamed += 1
            for name, part in (content.get("files") or {}).items():
                if name == "wandb-history.jsonl":
                    stored.history |= dict(enumerate(part["content"], start=part["offset"]))
                elif name == "wandb-summary.json":
                    stored.summary = json.loads(part["content"][-1])
            if content.get("complete"):
                stored.exit_code = content.get("exitcode")
        return {}

    def _RunResumeStatus(self, asked: dict[str, Any]) -> dict[str, Any]:
        stored = self.runs.get((asked["project"], asked["name"]))
        project = {"id": "p", "name": asked["project"], "entity": {"id": "e", "name": ENTITY}}
        if stored is None:
            return {"model": {**project, "bucket": None}}
        rows = stored.rows()
        bucket = {
            "id": stored.name,
            "name": stored.name,
            "summaryMetrics": json.dumps(stored.summary),
            "displayName": stored.about.get("displayName"),
            "logLineCount": 0,
            "historyLineCount": len(rows),
            "eventsLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]),
            "eventsTail": "[]",
            "config": stored.about.get("config") or "{}",
            "tags": stored.about.get("tags") or [],
            "notes": None,
            "wandbConfig": json.dumps({"t": 1}),  # without it the client takes the run for one that was never begun
        }
        return {"model": {**project, "bucket": bucket}}

    def _UpsertBucket(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = asked["project"], asked["name"]
        is_new = key not in self.runs
        stored = self.runs.setdefault(key, StoredRun(*key))
        stored.about |= {name: value for name, value in asked.items() if value is not None}
        if asked.get("summaryMetrics"):
            stored.summary |= json.loads(asked["summaryMetrics"])
        bucket = {
            "id": stored.name,
            "name": stored.name,
            "displayName": stored.about.get("displayName"),
            "description": None,
            "config": stored.about.get("config"),
            "sweepName": asked.get("sweep"),
            "project": {"id": "p", "name": stored.project, "entity": {"id": "e", "name": ENTITY}},
            "historyLineCount": len(stored.history),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}

    def _Viewer(self, asked: dict[str, Any]) -> dict[str, Any]:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        known = {"id": "u", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": teams}
        return {"viewer": {**known, "admin": False, "name": ENTITY, "apiKeys": {"edges": []}}}

    def _ServerFeaturesQuery(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _OrganizationCoreWeaveOrganizationID(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}

    def _ArtifactType(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["name"].partition(":")[0]
        known = [one for one in self.artifacts.values() if one.name == name]
        return {"project": {"artifact": {"artifactType": {"name": known[0].kind}} if known else None}}

    def _CreateRunFiles(self, asked: dict[str, Any]) -> dict[str, Any]:
        place = f"{self.url}/upload/file/{asked['project']}/{asked['run']}"
        files = [{"name": name, "uploadUrl": f"{place}/{name}"} for name in asked["files"]]
        return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}

    def _CreateArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:
        told = asked["input"]
        key = f"{told['projectName']}/{told['artifactCollectionName']}/{told['digest']}"
        if key not in self.artifacts:
            self.artifacts[key] = StoredArtifact(
                told["artifactCollectionName"],
                told["artifactTypeName"],
                told["digest"],
                json.loads(told.get("metadata") or "{}"),
            )
        stored = self.artifacts[key]
        artifact = {
            "id": base64.b64encode(key.encode()).decode(),
            "state": "COMMITTED" if stored.is_committed else "PENDING",
            "artifactSequence": {"id": stored.name, "name": stored.name, "latestArtifact": None},
            "digest": stored.digest,
        }
        return {"createArtifact": {"artifact": artifact}}

    def _CreateArtifactFiles(self, asked: dict[str, Any]) -> dict[str, Any]:
        nodes = []
        for told in asked["input"]["artifactFiles"]:
            stored = self.artifacts[base64.b64decode(told["artifactID"]).decode()]
            place = hashlib.sha256(f"{stored.name} {told['name']} {told['md5']}".encode()).hexdigest()
            stored.files[told["name"]] = place
            node = {"storagePath": place, "uploadUrl": f"{self.url}/upload/blob/{place}", "uploadHeaders": []}
            nodes.append({"node": {**node, "uploadMultipartUrls": None, "artifact": {"id": told["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": nodes}}}

    def _CreateArtifactManifest(self, asked: dict[str, Any]) -> dict[str, Any]:
        place = f"{self.url}/upload/blob/manifest/{asked['artifactID']}"
        file = {"id": "f", "uploadUrl": place if asked["includeUpload"] else None, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": asked["artifactID"], "file": file}}}

    def _UpdateArtifactManifest(self, asked: dict[str, Any]) -> dict[str, Any]:
        place = f"{self.url}/upload/blob/manifest/{asked['artifactManifestID']}"
        manifest = {"id": asked["artifactManifestID"], "file": {"id": "f", "uploadUrl": place, "uploadHeaders": []}}
        return {"updateArtifactManifest": {"artifactManifest": manifest}}

    def _CommitArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:
        stored = self.artifacts[base64.b64decode(asked["artifactID"]).decode()]
        stored.is_committed = True
        return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": stored.digest}}}

    def _UseArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:
        told = asked["input"]
        stored = self.artifacts[base64.b64decode(told["artifactID"]).decode()]
        self.runs[told["projectName"], told["runName"]].uses.add(stored.name)
        return {"useArtifact": {"artifact": {"id": told["artifactID"]}}}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, memory: WandbServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.memory = memory

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle of a request is nothing to be told of."""


@contextmanager
def serving(memory: WandbServer) -> Iterator[WandbServer]:
    """Answer at an address of the loopback, ``memory.url``, while the body runs."""
    http = _Http(memory)
    memory.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        memory.released.set()
        http.shutdown()
        http.server_close()
        thread.join()
