"""The version of edgepose, in one place: read by the wheel, the command line and every manifest."""

__version__ = "0.1.0"
