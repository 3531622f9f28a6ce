"""Bench records on the host: reading any version, checking, and comparing two. Devices write them."""

from edgepose.records.reading import Record, read_record, read_records

__all__ = ["Record", "read_record", "read_records"]
