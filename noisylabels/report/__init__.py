"""Reports: results in, ``report.md`` and one self-contained ``report.html`` out."""

from noisylabels.report.build import report_data
from noisylabels.report.document import ReportData
from noisylabels.report.write import ReportFiles, write_figures, write_report

__all__ = ["ReportData", "ReportFiles", "report_data", "write_figures", "write_report"]
