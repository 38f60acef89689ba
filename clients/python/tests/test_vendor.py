# Made by scripts/generate from test_vendor_aio.py: change that one.
"""The assertions of the tests of the vendor's SDKs."""

import expd as sdk
import pytest
from daemon import PATIENCE
from together import eventually, pause, together

DEVICE = {"uuid": "lobby-screen", "secret": "lobby-screen-secret"}
WRONG = {"uuid": "lobby-screen", "secret": "wrong"}
USER = {"username": "ada@example.org", "password": "ada-password", "organization": "demo"}
APP = {"uuid": "loyalty-app", "api_key": "loyalty-api-key"}


def respond_to_one(listener, response):
    broadcast = listener.wait(PATIENCE)
    broadcast.respond(response)


def test_listening_right_after_starting_before_anything_is_connected_resolves():
    exp = sdk.start(**DEVICE)
    listener = exp.get_channel("right-after").listen("hi")
    exp.get_channel("right-after").broadcast("hi", 1)
    assert (listener.wait(PATIENCE)).payload == 1


def test_three_listeners_three_responses_all_arrive():
    exp = sdk.start()
    channel = exp.get_channel("three")
    listeners = [channel.listen("count") for _ in range(3)]
    results = together(
        lambda: channel.broadcast("count", None, 1),
        *[lambda n=n: respond_to_one(listeners[n], n) for n in range(3)],
    )
    assert sorted(results[0]) == [0, 1, 2]


def test_a_cancelled_listener_hears_nothing_more():
    exp = sdk.start()
    channel = exp.get_channel("cancelled")
    cancelled, other = channel.listen("hi"), channel.listen("hi")
    channel.broadcast("hi", 1)
    assert (cancelled.wait(PATIENCE)).payload == 1
    channel.broadcast("hi", 2)
    cancelled.cancel()
    channel.broadcast("hi", 3)
    assert [(other.wait(PATIENCE)).payload for _ in range(3)] == [1, 2, 3]
    assert cancelled.wait(0.2) is None
    cancelled.cancel()


def test_a_cleared_context_hears_nothing_more_and_the_others_go_on():
    exp = sdk.start()
    second = sdk.start(instance="lobby")
    clones = [exp.clone("a"), exp.clone("b"), second.clone("a")]
    listeners = [clone.get_channel("contexts").listen() for clone in [exp, *clones]]

    def who_hears(expected):
        exp.get_channel("contexts").broadcast("hi")
        # The first hears in any case: the others have it by then, or a moment later.
        waits = [PATIENCE if hears else 0.2 for hears in expected]
        return [it.wait(wait) is not None for it, wait in zip(listeners, waits)]

    clones[0].clear()
    expected = [True, False, True, False]
    assert who_hears(expected) == expected
    second.clear("b")
    sdk.clear("no listener has this one")
    expected = [True, False, False, False]
    assert who_hears(expected) == expected


def test_a_nameless_listener_hears_every_event_with_its_name():
    exp = sdk.start()
    channel = exp.get_channel("nameless")
    listener = channel.listen()
    for name in ("one", "two", "fling"):
        channel.broadcast(name, name.upper())
    heard = [listener.wait(PATIENCE) for _ in range(3)]
    assert [(b.name, b.payload) for b in heard] == [
        ("one", "ONE"),
        ("two", "TWO"),
        ("fling", "FLING"),
    ]


def test_each_listener_gets_its_own_copy_of_a_payload():
    exp = sdk.start()
    channel = exp.get_channel("copies")
    first, second = channel.listen(), channel.listen()
    channel.broadcast("hi", {"list": [1]})
    changed = (first.wait(PATIENCE)).payload
    changed["list"].append(2)
    assert (second.wait(PATIENCE)).payload == {"list": [1]}


def test_calls_after_stop_fail_at_once():
    exp = sdk.start()
    clone = exp.clone("a")
    channel, listener = exp.get_channel("stopped"), exp.get_channel("stopped").listen()
    exp.stop()
    for call in (
        lambda: channel.broadcast("hi"),
        lambda: channel.listen("hi"),
        lambda: listener.wait(PATIENCE),
        lambda: exp.get("/api/devices"),
        lambda: exp.get_device("front-door"),
        lambda: exp.get_auth(),
        lambda: clone.find_devices(),
        lambda: clone.clear(),
    ):
        with pytest.raises(sdk.RuntimeError, match="stopped"):
            call()
    for plain in (
        lambda: exp.clone("b"),
        lambda: clone.clone("b"),
        lambda: exp.get_channel("x"),
        lambda: clone.get_channel("x"),
        lambda: exp.on("online", print),
    ):
        with pytest.raises(sdk.RuntimeError, match="stopped"):
            plain()
    exp.stop()
    assert not exp.is_connected


def test_a_clones_stop_ends_the_original_and_its_clones():
    exp = sdk.start()
    exp.clone("a").stop()
    with pytest.raises(sdk.RuntimeError, match="stopped"):
        exp.get("/api/devices")


def test_stopping_one_instance_leaves_the_other():
    stopped, other = sdk.start(), sdk.start()
    listener = other.get_channel("left").listen("hi")
    stopped.stop()
    other.get_channel("left").broadcast("hi")
    assert (listener.wait(PATIENCE)).name == "hi"
    sdk.stop()
    with pytest.raises(sdk.RuntimeError, match="stopped"):
        other.get("/api/devices")


def test_update_comes_at_the_start_and_never_with_bad_credentials():
    updates, never = [], []
    (sdk.start(**DEVICE)).on("update", updates.append)
    wrong = sdk.start(**WRONG)
    wrong.on("update", never.append)
    errors = []
    wrong.on("error", errors.append)
    eventually(lambda: updates and errors)
    assert updates[0]["identity"]["uuid"] == "lobby-screen"
    assert updates[0]["expiration"] > 0
    assert never == []


def test_online_comes_at_the_start_and_never_with_the_network_off():
    online, never, updates = [], [], []
    exp = sdk.start(**DEVICE)
    exp.on("online", lambda: online.append(1))
    off = sdk.start(**DEVICE, enable_network=False)
    off.on("online", lambda: never.append(1))
    off.on("update", updates.append)
    eventually(lambda: online and updates and exp.is_connected)
    assert never == [] and not off.is_connected
    assert off.get_channel("off").broadcast("hi") == []
    with pytest.raises(sdk.RuntimeError, match="no live socket"):
        off.get_channel("off").listen("hi")


def test_offline_comes_at_stop():
    online, offline = [], []
    exp = sdk.start(**DEVICE)
    exp.on("online", lambda: online.append(1))
    exp.on("offline", lambda: offline.append(1))
    eventually(lambda: online)
    assert offline == []
    exp.stop()
    eventually(lambda: offline)


def test_error_comes_for_bad_credentials():
    errors = []
    exp = sdk.start(**WRONG)
    exp.on("error", errors.append)
    eventually(lambda: errors)
    assert isinstance(errors[0], sdk.AuthenticationError)
    with pytest.raises(sdk.AuthenticationError, match="refuses"):
        exp.get("/api/devices")


def test_limit_one_of_many_gives_one_result_and_the_whole_total(unique):
    exp = sdk.start()
    for _ in range(3):
        exp.create_thing({"name": unique})
    found = exp.find_things({"name": unique, "limit": 1})
    assert len(found) == 1 and found.total == 3
    assert found[0].name == unique and found.results == [found[0].document]


def test_limit_zero_gives_no_result_and_the_total(unique):
    exp = sdk.start()
    exp.create_thing({"name": unique})
    found = exp.find_things({"name": unique, "limit": 0})
    assert found == [] and found.total == 1


def test_a_find_that_matches_nothing_gives_an_empty_list():
    exp = sdk.start()
    for find in (
        exp.find_devices,
        exp.find_things,
        exp.find_experiences,
        exp.find_locations,
        exp.find_feeds,
        exp.find_data,
        exp.find_content,
    ):
        found = find({"name": "nobody has this name"})
        assert found == [] and found.total == 0


def test_a_resource_that_is_gone_is_none():
    exp = sdk.start()
    thing = exp.create_thing()
    thing.delete()
    assert exp.get_thing(thing.uuid) is None
    with pytest.raises(sdk.ApiError) as gone:
        thing.refresh()
    assert gone.value.http_status == 404 and gone.value.code
    for get in (exp.get_device, exp.get_thing, exp.get_experience, exp.get_location, exp.get_feed):
        assert get() is None
        assert get("no such uuid") is None
    assert exp.get_data("group", "no such key") is None
    assert exp.get_content("no such uuid") is None


def test_a_device_made_without_secret_can_log_in_with_the_one_it_was_given():
    exp = sdk.start()
    device = exp.create_device({"name": "new"})
    own = sdk.start(uuid=device.uuid, secret=device.document["secret"])
    current = own.get_current_device()
    assert current.uuid == device.uuid and current.name == "new"


def test_data_made_twice_is_replaced():
    exp = sdk.start()
    exp.create_data("twice", "key/1", {"n": 1})
    exp.create_data("twice", "key/1", {"n": 2})
    data = exp.get_data("twice", "key/1")
    assert (data.group, data.key, data.value) == ("twice", "key/1", {"n": 2})
    assert (exp.find_data({"group": "twice"})).total == 1


def test_current_resources_are_none_for_users_and_consumer_apps():
    for credentials in (USER, APP):
        exp = sdk.start(**credentials)
        assert exp.get_current_device() is None
        assert exp.get_current_experience() is None
        assert exp.get_current_location() is None
        assert exp.get_current_zones() == []
    assert exp.get_current_user() is None
    user = sdk.start(**USER)
    assert (user.get_current_user())["username"] == "ada@example.org"


def test_max_age_drops_what_is_older_and_keeps_the_rest_in_order():
    exp = sdk.start()
    channel = exp.get_channel("ages")
    told = []
    listener = channel.listen("hi", max_age=2, on_gap=told.append)
    for n in range(3):
        channel.broadcast("hi", n, 0)
    pause(2.2)
    for n in range(3, 6):
        channel.broadcast("hi", n, 0)
    heard = [(listener.wait(PATIENCE)).payload for _ in range(3)]
    assert heard == [3, 4, 5]
    assert [(gap.reason, gap.missed) for gap in told] == [("expired", 3)]
    assert listener.missed == 3 and list(listener.gaps) == told
    assert listener.wait() is None
