"""A study's dashboard as W&B has it: a Workspace and a Report with the same panels, made by wandb-workspaces."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from noisylabels.catalog import MissingExtraError
from noisylabels.tracking.describing import family
from noisylabels.tracking.items import REALISED_RATE
from noisylabels.tracking.layout import Curve, Differences, Note, Panel, Section, sections
from noisylabels.tracking.tracker import TrackingError

MOST_RUNS = 1_000
"""That a panel draws."""

COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # of a report's panels, in its 24 columns


@dataclass(frozen=True)
class Dashboard:
    """What is asked for.

    Attributes:
        study: its name.
        question: the study's.
        noise_kinds: kinds of noise to show, each a tab of the report; the workspace shows them all.
        measured: metrics that have a value in some run.
        project: left empty, the study's family.
        entity: user or team; left empty, the key's own.
    """

    study: str
    question: str
    noise_kinds: tuple[str, ...]
    measured: Collection[str]
    project: str = ""
    entity: str = ""

    def workspace(self) -> Any:
        """A ``Workspace``: runs grouped by head, filtered by kind of noise, along the realised rate."""
        ws: Any = import_module("wandb_workspaces.workspaces")

        return ws.Workspace(
            entity=self.entity,
            project=self.project or family(self.study),
            name=self.study,
            sections=[
                ws.Section(name=section.name, is_open=True, panels=[_panel(panel) for panel in section.panels])
                for section in self._sections()
            ],
            settings=ws.WorkspaceSettings(x_axis=REALISED_RATE, max_runs=MOST_RUNS),
            runset_settings=ws.RunsetSettings(
                filters=_filter(self.study, self.noise_kinds), groupby=[ws.Config("head")]
            ),
        )

    def report(self, *, entity: str | None = None) -> Any:
        """A ``Report``: the question, then the sections, each with a tab for every kind of noise.

        Args:
            entity: whose project the runs are looked up in; None asks nobody, and leaves that to the project.
        """
        wr: Any = import_module("wandb_workspaces.reports.v2")

        project = self.project or family(self.study)
        blocks: list[Any] = [wr.P(self.question)] if self.question else []
        for section in self._sections():
            runsets = [
                wr.Runset(
                    entity=entity or "",
                    project=project if entity else "",
                    name=kind,
                    filters=_filter(self.study, (kind,)),
                    groupby=["config.head"],
                )
                for kind in self.noise_kinds
            ]
            blocks += [wr.H2(section.name), wr.PanelGrid(runsets=runsets, panels=_placed(section.panels))]
        return wr.Report(
            project=project,
            entity=entity or self.entity,
            title=f"{self.study}: robustness to label noise",
            description=self.question,
            blocks=blocks,
        )

    def to_json(self) -> dict[str, Any]:
        """What would be sent, asking nobody: the specification of either."""
        check()
        with _their_warnings_apart():
            return {"workspace": _plain(self.workspace()), "report": _plain(self.report())}

    def save(self, *, timeout_seconds: float = 20.0) -> tuple[str, str]:
        """Make both in the project; their addresses.

        Raises:
            TrackingError: the server took neither, or only one of them.
        """
        check()
        with _their_warnings_apart():
            import wandb

            try:
                entity = self.entity or str(wandb.Api(timeout=int(timeout_seconds)).default_entity)
                workspace = self.workspace()
                workspace.entity = entity
                workspace.save()
                report = self.report(entity=entity)
                report.save()
            except Exception as error:
                sentence = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise TrackingError(f"W&B took no dashboard: {sentence}") from error
            return str(workspace.url), str(report.url)

    def _sections(self) -> Sequence[Section]:
        return sections(self.measured)


def check() -> None:
    """Refuse at once where wandb-workspaces is not there.

    Raises:
        MissingExtraError: how to get it.
    """
    try:
        with _their_warnings_apart():
            import_module("wandb_workspaces.workspaces")
    except ImportError:
        raise MissingExtraError("a dashboard needs wandb-workspaces: pip install 'noisylabels[dashboards]'") from None


def _filter(study: str, noise_kinds: Sequence[str]) -> str:
    """Clean runs belong to every kind of noise: they are its curve at 0."""
    kinds = ", ".join(json.dumps(kind) for kind in dict.fromkeys((*noise_kinds, "clean")))
    return f'Config("study") == {json.dumps(study)} and Config("noise_kind") in [{kinds}]'


def _panel(panel: Panel, **layout: Any) -> Any:
    wr: Any = import_module("wandb_workspaces.reports.v2")

    if isinstance(panel, Curve):
        return wr.LinePlot(
            title=panel.title,
            x=panel.along,
            y=list(panel.figures),
            title_x=panel.along_title,
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            max_runs_to_show=MOST_RUNS,
            **layout,
        )
    if isinstance(panel, Note):
        return wr.MarkdownPanel(markdown=panel.text, **layout)
    if isinstance(panel, Differences):
        return wr.RunComparer(diff_only=True, **layout)
    if panel.is_table:
        return wr.WeavePanelSummaryTable(table_name=panel.name, **layout)
    return wr.MediaBrowser(media_keys=[panel.name], **layout)


def _placed(panels: Sequence[Panel]) -> list[Any]:
    """From left to right, line by line."""
    wr: Any = import_module("wandb_workspaces.reports.v2")

    return [
        _panel(panel, layout=wr.Layout(x=WIDTH * (place % COLUMNS), y=HEIGHT * (place // COLUMNS), w=WIDTH, h=HEIGHT))
        for place, panel in enumerate(panels)
    ]


def _plain(shown: Any) -> Any:
    """Its specification: the very JSON that ``save`` sends."""
    return json.loads(shown._to_model().model_dump_json(by_alias=True, exclude_none=True))


@contextlib.contextmanager
def _their_warnings_apart() -> Iterator[None]:
    """wandb-workspaces is written for pydantic's first version, and warns of that when it is imported and used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
