"""Wrong calls are refused before anything is sent, with the reason."""

import math

import pytest

import expd
import expd._options as options
from expd import _socket

DEVICE = {"uuid": "u", "secret": "s"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"auth": {"token": "t"}}, "expd logs in by itself"),
        ({"uuid": "u"}, "uuid do not make an identity"),
        ({"secret": "s"}, "`uuid` and `secret`"),
        ({"username": "a", "password": "b"}, "`organization`"),
        ({"username": "a", "password": "b", "organization": ""}, "not empty"),
        ({**DEVICE, "api_key": "k"}, "do not make an identity"),
        ({"uuid": "u", "api_key": "k", "allow_pairing": True}, "do not make an identity"),
        ({**DEVICE, "instance": "lobby"}, "credentials do not go with it"),
        ({"uuid": 5, "secret": "s"}, "uuid= is a text"),
        ({"host": "https://api.goexp.io"}, "in its settings"),
        ({"enable_network": False}, "in its settings"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, words):
    with pytest.raises(expd.RuntimeError) as refused:
        expd.start(socket="/nowhere", **given)
    assert words in str(refused.value)
    assert not any(str(value) in str(refused.value) for value in ("b", "k") if len(value) > 1)


def test_credentials_become_the_identity_that_they_are():
    assert options.check().run is None
    assert options.check(instance="lobby").instance == "lobby"
    device = options.check(**DEVICE, host="https://example.org", enable_network=False).run
    assert (device.credentials.device.uuid, device.credentials.device.secret) == ("u", "s")
    assert device.host == "https://example.org" and not device.network
    assert options.check(allow_pairing=True).run.credentials.device.allow_pairing
    app = options.check(uuid="u", api_key="k").run
    assert app.credentials.consumer_app.api_key == "k"
    user = options.check(username="a", password="b", organization="o").run
    assert user.credentials.user.organization == "o"
    assert app.name != user.name and len(app.name) <= 64


def test_an_instance_that_is_not_configured_is_refused_by_its_name():
    with pytest.raises(expd.RuntimeError, match='"nowhere".*default, lobby'):
        expd.start(instance="nowhere")
    lobby = expd.start(instance="lobby")
    assert lobby.get_auth()["identity"]["uuid"] == "lobby-screen"


def test_a_daemon_that_is_not_there_is_named_with_the_remedy(tmp_path):
    for credentials in ({}, DEVICE):
        with pytest.raises(expd.NetworkError) as away:
            expd.start(socket=str(tmp_path / "none"), **credentials)
        assert "there is no socket; start a daemon with `expd serve`" in str(away.value)
        assert away.value.fate == "refused" and away.value.status == "UNAVAILABLE"


def test_payloads_and_times_that_cannot_be_sent_are_refused():
    channel = expd.start().get_channel("wrong")
    loop = []
    loop.append(loop)
    for payload in (math.nan, object(), loop, {1, 2}, b"bytes"):
        with pytest.raises(expd.RuntimeError, match="JSON"):
            channel.broadcast("hi", payload)
    with pytest.raises(expd.RuntimeError):
        channel.broadcast("hi", "\ud800")
    for seconds in (-1, math.nan, math.inf, "soon", None):
        with pytest.raises(expd.RuntimeError, match="timeout is a number of seconds"):
            channel.broadcast("hi", timeout=seconds)
    with pytest.raises(expd.RuntimeError, match="max_age"):
        channel.listen("hi", max_age=-1)
    with pytest.raises(expd.RuntimeError, match="there is no event 'onlien'"):
        expd.start().on("onlien", print)
    with pytest.raises(expd.RuntimeError, match="event name"):
        channel.broadcast("")


def test_an_unstarted_instance_says_so():
    fork = expd.fork()
    with pytest.raises(expd.RuntimeError, match="not started"):
        fork.get_channel("x")
    assert not fork.is_connected
    fork.start()
    with pytest.raises(expd.RuntimeError, match="started already"):
        fork.start()


def test_a_payload_keeps_its_values_and_its_text():
    channel = expd.start().get_channel("values")
    listener = channel.listen("hi")
    value = {"z": [1, 2.5, None, True], "a": "sünde \U0001f600", "n": 12345678901234567890}
    channel.broadcast("hi", value)
    heard = listener.wait(10)
    assert heard.payload == value and list(heard.payload) == ["z", "a", "n"]
    assert heard.json == '{"z":[1,2.5,null,true],"a":"sünde \U0001f600","n":12345678901234567890}'
    assert heard.channel == "values" and heard.id and heard.received_at.tzinfo is not None
    channel.broadcast("hi")
    assert listener.wait(10).payload is None


def test_an_error_of_a_response_that_comes_too_late_tells_its_fate():
    channel = expd.start().get_channel("late")
    listener = channel.listen("hi")
    channel.broadcast("hi", timeout=0)
    with pytest.raises(expd.ExpError) as late:
        listener.wait(10).respond("too late")
    assert late.value.fate == "refused"


def test_a_device_that_waits_to_be_paired_has_a_code():
    told = []
    exp = expd.start(allow_pairing=True)
    exp.on("update", told.append)
    identity = exp.get_auth()["identity"]
    assert identity["isPairing"] and len(identity["pairingCode"]) >= 6
    assert exp.get_current_device() is None


def test_the_socket_is_found_as_the_command_line_finds_it(monkeypatch, tmp_path):
    monkeypatch.setattr(_socket, "SYSTEM_SOCKET", str(tmp_path / "system"))
    monkeypatch.setenv("EXPD_SOCKET", "/from/environment")
    assert _socket.find("/named") == "/named"
    assert _socket.find() == "/from/environment"
    monkeypatch.setenv("EXPD_SOCKET", "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert _socket.find() == str(tmp_path / "system")
    owner = tmp_path.stat().st_uid + 1000
    monkeypatch.setattr("os.geteuid", lambda: owner)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert _socket.find() == f"/tmp/expd-{owner}/expd.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert _socket.find() == str(tmp_path / "expd" / "expd.sock")
    (tmp_path / "system").touch()
    assert _socket.find() == str(tmp_path / "system")


def test_a_private_folder_in_which_others_could_pose_as_the_daemon_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(_socket, "SYSTEM_SOCKET", str(tmp_path / "none"))
    monkeypatch.delenv("EXPD_SOCKET")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    uid = 4000
    monkeypatch.setattr("os.geteuid", lambda: uid)
    folder = tmp_path / "expd"
    folder.mkdir(mode=0o755)
    with pytest.raises(expd.RuntimeError, match="belongs to another user"):
        _socket.find()
    uid = folder.stat().st_uid
    if uid:
        with pytest.raises(expd.RuntimeError, match="other users may enter it"):
            _socket.find()
    uid = 4000
    folder.rmdir()
    folder.symlink_to("/tmp")
    with pytest.raises(expd.RuntimeError, match="not a folder"):
        _socket.find()
