"""Reports: results in, ``report.md``, one self-contained ``report.html`` and further formats out."""

from noisylabels.report.build import report_data
from noisylabels.report.context import Context
from noisylabels.report.document import ReportData
from noisylabels.report.write import (
    FIGURE_FORMATS,
    FORMATS,
    ReportFiles,
    write_figures,
    write_formats,
    write_report,
)

__all__ = [
    "FIGURE_FORMATS",
    "FORMATS",
    "Context",
    "ReportData",
    "ReportFiles",
    "report_data",
    "write_figures",
    "write_formats",
    "write_report",
]
