"""One self-contained page made of bench records: pictures and tables, no network, no script."""

from edgepose.reports.page import render_page

__all__ = ["render_page"]
