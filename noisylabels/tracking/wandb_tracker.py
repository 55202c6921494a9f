"""W&B: offline unless asked, everything it writes inside the study, nothing of this machine in it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from noisylabels.catalog import MissingExtraError, UsageError
from noisylabels.tracking.items import Bundle, Row, Scalar, TrackedRun
from noisylabels.tracking.ledger import digest_of
from noisylabels.tracking.tracker import NotTakenError, Recording, Tracker, TrackingError
from noisylabels.tracking.wandb_media import shown

FOLDER = "wandb"
"""In the study's folder: offline runs, and what the client keeps beside them."""

FLUSH_SECONDS = 0.5
"""How much a kill may lose; the client's own default is 15 s."""

SAMPLING_SECONDS = 15.0
"""Between two samples of the machine's load."""


@dataclass(frozen=True)
class Wandb(Tracker):
    """Weights & Biases. Whoever wants its dashboards online asks for it; ``noisylabels sync`` can do it any time later.

    Attributes:
        mode: ``offline`` writes runs into ``<study>/wandb`` that ``wandb sync`` uploads; ``online`` uploads at once,
            and writes them as well.
        project: left empty, the study's family.
        entity: user or team; left empty, the key's own.
        timeout_seconds: how long to wait for a server to answer before it is given up, above 0.
    """

    kind: ClassVar[str] = "wandb"

    mode: Literal["offline", "online"] = "offline"
    project: str = ""
    entity: str = ""
    timeout_seconds: float = 20.0

    def __post_init__(self) -> None:
        if not self.timeout_seconds > 0:
            raise UsageError(f"timeout_seconds must be above 0; got {self.timeout_seconds}")

    def check(self) -> None:
        if importlib.util.find_spec("wandb") is None:
            raise MissingExtraError("tracking by wandb needs W&B's client: pip install 'noisylabels[wandb]'")
        if self.mode == "online" and not _has_key():
            raise MissingExtraError(
                "wandb:online needs a key, and there is neither $WANDB_API_KEY nor a line of wandb login in ~/.netrc; "
                "or track offline (wandb) and upload later (noisylabels sync)"
            )

    def environment(self) -> Mapping[str, str]:
        """Relative paths: what the client writes down of them must mean the same where the study is copied to.

        The client's own settings (which server, which team) are the user's, and only read: they stay where they are
        when the server is to be asked.
        """
        places = {"DIR": ".", "DATA_DIR": f"{FOLDER}/data", "CACHE_DIR": f"{FOLDER}/cache"}
        if self.mode == "offline":
            places["CONFIG_DIR"] = f"{FOLDER}/config"
        return {f"WANDB_{name}": place for name, place in places.items()} | {
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "true",
        }

    def destination(self) -> str:
        if self.mode == "offline":
            return "wandb-offline"
        import wandb

        where = (str(wandb.Settings().base_url), self.entity, self.project)
        return f"wandb-online-{digest_of(*(part.encode() for part in where))[:8]}"

    def open(self, run: TrackedRun) -> Recording:
        import wandb

        try:
            opened = wandb.init(
                project=self.project or run.project,
                entity=self.entity or None,
                id=run.run_id,
                name=run.name,
                group=run.group,
                job_type=run.job_type[:64],
                tags=[tag[:64] for tag in run.tags],
                config=dict(run.config),
                mode=self.mode,
                resume="allow",
                reinit="create_new",
                dir=".",
                settings=self._settings(run),
            )
        except Exception as error:
            raise TrackingError(f"W&B took no run: {_first_line(error)}") from error
        opened.define_metric("epoch", hidden=True)
        for axis in run.axes:
            opened.define_metric(axis.metrics, step_metric=axis.along)
        return _Open(opened)

    def _settings(self, run: TrackedRun) -> Any:
        import wandb

        return wandb.Settings(
            root_dir=".",
            silent=True,
            symlink=False,
            console="off",
            # The command line, the host and the user go nowhere; the machine's load does, while a run is live.
            x_disable_meta=True,
            x_disable_stats=not run.is_live,
            # A run's process and this one are forked from one server: the load is that of all its children.
            x_stats_pid=os.getppid(),
            x_stats_track_process_tree=True,
            x_stats_sampling_interval=SAMPLING_SECONDS,
            x_stats_disk_paths=(),
            x_save_requirements=False,
            host="-",
            username="-",
            email="-",
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            save_code=False,
            x_transaction_log_flush_interval=FLUSH_SECONDS,
            init_timeout=self.timeout_seconds,
            login_timeout=self.timeout_seconds,
            x_service_wait=self.timeout_seconds,
            finish_timeout=self.timeout_seconds,
            finish_timeout_raises=True,
        )


class _Open(Recording):
    """A run of the client's."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self._drop_link_to_this_machine()

    def log(self, row: Row) -> None:
        content: dict[str, Any] = dict(row.figures)
        for name, item in row.items.items():
            content[name] = shown(self.run, name, item, row.step)
        if content:
            self.run.log(content, step=row.step, commit=True)

    def keep(self, bundle: Bundle) -> None:
        import wandb

        artifact = wandb.Artifact(bundle.name, type=bundle.kind, metadata=dict(bundle.facts))
        for name, path in bundle.files.items():
            # By its path in the study, not by a copy under an absolute one: so a copied study can be uploaded.
            artifact.add_file(str(path), name=name, policy="immutable")
        _used(self.run, artifact)

    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        self.run.summary.update(dict(summary))
        log = Path(self.run.dir).parent / "logs" / "debug-internal.log"
        try:
            self.run.finish(exit_code=1 if failed else 0)
        except TimeoutError as error:
            raise TrackingError("W&B did not take a run to its end in time") from error
        refused = _refused(log)
        if refused:
            raise NotTakenError(f"W&B refused a part of run {self.run.id}: {refused}")

    def _drop_link_to_this_machine(self) -> None:
        """A link to the client's own log, by its absolute path."""
        for link in Path(FOLDER).glob(f"*run-*-{self.run.id}/logs/debug-core.log"):
            link.unlink(missing_ok=True)


def _refused(log: Path) -> str:
    """What the client gave up sending; it says so in its log and nowhere else, and finishes as if all were well."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            # It notes each failed try as "api: ..."; those it repeats, and may succeed.
            if str(said.get("level", "")).startswith("ERROR") and not str(said.get("msg", "")).startswith("api:"):
                return str(said["msg"])[:160]
    return ""


def _used(run: Any, artifact: Any) -> None:
    """Log the artifact as one that the run uses.

    ``use_artifact`` does that online and refuses it offline, where the same call below it works.
    """
    log = getattr(run, "_log_artifact", None)
    if log is None:
        run.log_artifact(artifact)
    else:
        log(artifact, is_user_created=True, use_after_commit=True)


def _has_key() -> bool:
    """Whether there is any key; which server it is for, the client knows."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    file = os.environ.get("NETRC") or str(Path("~").expanduser() / ".netrc")
    try:
        return bool(netrc.netrc(file).hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
