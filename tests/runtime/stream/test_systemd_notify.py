import os
import socket

import pytest

from edgepose.runtime.stream.systemd import notify_systemd


@pytest.mark.parametrize("abstract", [False, True])
def test_word_reaches_the_manager(socket_folder, monkeypatch, abstract):
    name = "edgepose-test-{}".format(os.path.basename(socket_folder))
    path = name if abstract else os.path.join(socket_folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        try:
            manager.bind("\0" + path if abstract else path)
        except OSError as error:
            pytest.skip("no such socket here: {}".format(error))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + path if abstract else path)
        assert notify_systemd("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify_systemd("READY=1")
    for nobody in (str(tmp_path / "nobody"), "nonsense"):
        monkeypatch.setenv("NOTIFY_SOCKET", nobody)
        assert not notify_systemd("READY=1")
