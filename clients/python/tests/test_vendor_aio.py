"""The assertions of the tests of the vendor's SDKs."""

import expd.aio as sdk
import pytest
from daemon import PATIENCE
from together_aio import eventually, pause, together

DEVICE = {"uuid": "lobby-screen", "secret": "lobby-screen-secret"}
WRONG = {"uuid": "lobby-screen", "secret": "wrong"}
USER = {"username": "ada@example.org", "password": "ada-password", "organization": "demo"}
APP = {"uuid": "loyalty-app", "api_key": "loyalty-api-key"}


async def respond_to_one(listener, response):
    broadcast = await listener.wait(PATIENCE)
    await broadcast.respond(response)


async def test_listening_right_after_starting_before_anything_is_connected_resolves():
    exp = await sdk.start(**DEVICE)
    listener = await exp.get_channel("right-after").listen("hi")
    await exp.get_channel("right-after").broadcast("hi", 1)
    assert (await listener.wait(PATIENCE)).payload == 1


async def test_three_listeners_three_responses_all_arrive():
    exp = await sdk.start()
    channel = exp.get_channel("three")
    listeners = [await channel.listen("count") for _ in range(3)]
    results = await together(
        lambda: channel.broadcast("count", None, 1),
        *[lambda n=n: respond_to_one(listeners[n], n) for n in range(3)],
    )
    assert sorted(results[0]) == [0, 1, 2]


async def test_a_cancelled_listener_hears_nothing_more():
    exp = await sdk.start()
    channel = exp.get_channel("cancelled")
    cancelled, other = await channel.listen("hi"), await channel.listen("hi")
    await channel.broadcast("hi", 1)
    assert (await cancelled.wait(PATIENCE)).payload == 1
    await channel.broadcast("hi", 2)
    await cancelled.cancel()
    await channel.broadcast("hi", 3)
    assert [(await other.wait(PATIENCE)).payload for _ in range(3)] == [1, 2, 3]
    assert await cancelled.wait(0.2) is None
    await cancelled.cancel()


async def test_a_cleared_context_hears_nothing_more_and_the_others_go_on():
    exp = await sdk.start()
    second = await sdk.start(instance="lobby")
    clones = [exp.clone("a"), exp.clone("b"), second.clone("a")]
    listeners = [await clone.get_channel("contexts").listen() for clone in [exp, *clones]]

    async def who_hears(expected):
        await exp.get_channel("contexts").broadcast("hi")
        # The first hears in any case: the others have it by then, or a moment later.
        waits = [PATIENCE if hears else 0.2 for hears in expected]
        return [await it.wait(wait) is not None for it, wait in zip(listeners, waits)]

    await clones[0].clear()
    expected = [True, False, True, False]
    assert await who_hears(expected) == expected
    await second.clear("b")
    await sdk.clear("no listener has this one")
    expected = [True, False, False, False]
    assert await who_hears(expected) == expected


async def test_a_nameless_listener_hears_every_event_with_its_name():
    exp = await sdk.start()
    channel = exp.get_channel("nameless")
    listener = await channel.listen()
    for name in ("one", "two", "fling"):
        await channel.broadcast(name, name.upper())
    heard = [await listener.wait(PATIENCE) for _ in range(3)]
    assert [(b.name, b.payload) for b in heard] == [
        ("one", "ONE"),
        ("two", "TWO"),
        ("fling", "FLING"),
    ]


async def test_each_listener_gets_its_own_copy_of_a_payload():
    exp = await sdk.start()
    channel = exp.get_channel("copies")
    first, second = await channel.listen(), await channel.listen()
    await channel.broadcast("hi", {"list": [1]})
    changed = (await first.wait(PATIENCE)).payload
    changed["list"].append(2)
    assert (await second.wait(PATIENCE)).payload == {"list": [1]}


async def test_calls_after_stop_fail_at_once():
    exp = await sdk.start()
    clone = exp.clone("a")
    channel, listener = exp.get_channel("stopped"), await exp.get_channel("stopped").listen()
    await exp.stop()
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
            await call()
    for plain in (
        lambda: exp.clone("b"),
        lambda: clone.clone("b"),
        lambda: exp.get_channel("x"),
        lambda: clone.get_channel("x"),
        lambda: exp.on("online", print),
    ):
        with pytest.raises(sdk.RuntimeError, match="stopped"):
            plain()
    await exp.stop()
    assert not exp.is_connected


async def test_a_clones_stop_ends_the_original_and_its_clones():
    exp = await sdk.start()
    await exp.clone("a").stop()
    with pytest.raises(sdk.RuntimeError, match="stopped"):
        await exp.get("/api/devices")


async def test_stopping_one_instance_leaves_the_other():
    stopped, other = await sdk.start(), await sdk.start()
    listener = await other.get_channel("left").listen("hi")
    await stopped.stop()
    await other.get_channel("left").broadcast("hi")
    assert (await listener.wait(PATIENCE)).name == "hi"
    await sdk.stop()
    with pytest.raises(sdk.RuntimeError, match="stopped"):
        await other.get("/api/devices")


async def test_update_comes_at_the_start_and_never_with_bad_credentials():
    updates, never = [], []
    (await sdk.start(**DEVICE)).on("update", updates.append)
    wrong = await sdk.start(**WRONG)
    wrong.on("update", never.append)
    errors = []
    wrong.on("error", errors.append)
    await eventually(lambda: updates and errors)
    assert updates[0]["identity"]["uuid"] == "lobby-screen"
    assert updates[0]["expiration"] > 0
    assert never == []


async def test_online_comes_at_the_start_and_never_with_the_network_off():
    online, never, updates = [], [], []
    exp = await sdk.start(**DEVICE)
    exp.on("online", lambda: online.append(1))
    off = await sdk.start(**DEVICE, enable_network=False)
    off.on("online", lambda: never.append(1))
    off.on("update", updates.append)
    await eventually(lambda: online and updates and exp.is_connected)
    assert never == [] and not off.is_connected
    assert await off.get_channel("off").broadcast("hi") == []
    with pytest.raises(sdk.RuntimeError, match="no live socket"):
        await off.get_channel("off").listen("hi")


async def test_offline_comes_at_stop():
    online, offline = [], []
    exp = await sdk.start(**DEVICE)
    exp.on("online", lambda: online.append(1))
    exp.on("offline", lambda: offline.append(1))
    await eventually(lambda: online)
    assert offline == []
    await exp.stop()
    await eventually(lambda: offline)


async def test_error_comes_for_bad_credentials():
    errors = []
    exp = await sdk.start(**WRONG)
    exp.on("error", errors.append)
    await eventually(lambda: errors)
    assert isinstance(errors[0], sdk.AuthenticationError)
    with pytest.raises(sdk.AuthenticationError, match="refuses"):
        await exp.get("/api/devices")


async def test_limit_one_of_many_gives_one_result_and_the_whole_total(unique):
    exp = await sdk.start()
    for _ in range(3):
        await exp.create_thing({"name": unique})
    found = await exp.find_things({"name": unique, "limit": 1})
    assert len(found) == 1 and found.total == 3
    assert found[0].name == unique and found.results == [found[0].document]


async def test_limit_zero_gives_no_result_and_the_total(unique):
    exp = await sdk.start()
    await exp.create_thing({"name": unique})
    found = await exp.find_things({"name": unique, "limit": 0})
    assert found == [] and found.total == 1


async def test_a_find_that_matches_nothing_gives_an_empty_list():
    exp = await sdk.start()
    for find in (
        exp.find_devices,
        exp.find_things,
        exp.find_experiences,
        exp.find_locations,
        exp.find_feeds,
        exp.find_data,
        exp.find_content,
    ):
        found = await find({"name": "nobody has this name"})
        assert found == [] and found.total == 0


async def test_a_resource_that_is_gone_is_none():
    exp = await sdk.start()
    thing = await exp.create_thing()
    await thing.delete()
    assert await exp.get_thing(thing.uuid) is None
    with pytest.raises(sdk.ApiError) as gone:
        await thing.refresh()
    assert gone.value.http_status == 404 and gone.value.code
    for get in (exp.get_device, exp.get_thing, exp.get_experience, exp.get_location, exp.get_feed):
        assert await get() is None
        assert await get("no such uuid") is None
    assert await exp.get_data("group", "no such key") is None
    assert await exp.get_content("no such uuid") is None


async def test_a_device_made_without_secret_can_log_in_with_the_one_it_was_given():
    exp = await sdk.start()
    device = await exp.create_device({"name": "new"})
    own = await sdk.start(uuid=device.uuid, secret=device.document["secret"])
    current = await own.get_current_device()
    assert current.uuid == device.uuid and current.name == "new"


async def test_data_made_twice_is_replaced():
    exp = await sdk.start()
    await exp.create_data("twice", "key/1", {"n": 1})
    await exp.create_data("twice", "key/1", {"n": 2})
    data = await exp.get_data("twice", "key/1")
    assert (data.group, data.key, data.value) == ("twice", "key/1", {"n": 2})
    assert (await exp.find_data({"group": "twice"})).total == 1


async def test_current_resources_are_none_for_users_and_consumer_apps():
    for credentials in (USER, APP):
        exp = await sdk.start(**credentials)
        assert await exp.get_current_device() is None
        assert await exp.get_current_experience() is None
        assert await exp.get_current_location() is None
        assert await exp.get_current_zones() == []
    assert await exp.get_current_user() is None
    user = await sdk.start(**USER)
    assert (await user.get_current_user())["username"] == "ada@example.org"


async def test_max_age_drops_what_is_older_and_keeps_the_rest_in_order():
    exp = await sdk.start()
    channel = exp.get_channel("ages")
    told = []
    listener = await channel.listen("hi", max_age=2, on_gap=told.append)
    for n in range(3):
        await channel.broadcast("hi", n, 0)
    await pause(2.2)
    for n in range(3, 6):
        await channel.broadcast("hi", n, 0)
    heard = [(await listener.wait(PATIENCE)).payload for _ in range(3)]
    assert heard == [3, 4, 5]
    assert [(gap.reason, gap.missed) for gap in told] == [("expired", 3)]
    assert listener.missed == 3 and list(listener.gaps) == told
    assert await listener.wait() is None
