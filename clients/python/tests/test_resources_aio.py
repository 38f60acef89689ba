"""The operations on resources."""

import urllib.request

import expd.aio as sdk
import pytest
from daemon import PATIENCE


async def test_every_kind_is_created_found_changed_and_deleted(unique):
    exp = await sdk.start()
    for one, many in (
        ("device", "devices"),
        ("thing", "things"),
        ("experience", "experiences"),
        ("location", "locations"),
        ("feed", "feeds"),
    ):
        resource = await getattr(exp, f"create_{one}")({"name": f"a {one}", "colour": unique})
        found = await getattr(exp, f"find_{many}")({"colour": unique})
        assert [it.uuid for it in found] == [resource.uuid]
        updates = await resource.get_channel(system=True).listen("update")
        resource.name = "renamed"
        resource.document["colour"] = "blue"
        await resource.save()
        assert (await updates.wait(PATIENCE)).payload["colour"] == "blue"
        again = await getattr(exp, f"get_{one}")(resource.uuid)
        assert again.name == "renamed" and again.document["colour"] == "blue"
        again.name = "not saved"
        await again.refresh()
        assert again.name == "renamed"
        await getattr(exp, f"delete_{one}")(resource.uuid)
        assert await getattr(exp, f"get_{one}")(resource.uuid) is None


async def test_a_location_knows_its_devices_things_zones_and_layout():
    exp = await sdk.start()
    zones = [{"key": "bar", "name": "The bar"}, {"key": "door", "name": "The door"}]
    location = await exp.create_location({"name": "Inn", "zones": zones})
    at = {"location": {"uuid": location.uuid, "zones": [{"key": "bar"}]}}
    device = await exp.create_device(at)
    thing = await exp.create_thing(at)
    assert [it.uuid for it in await location.get_devices()] == [device.uuid]
    assert [it.uuid for it in await location.get_things({"limit": 5})] == [thing.uuid]
    assert [zone.key for zone in await location.get_zones()] == ["bar", "door"]
    assert (await device.get_location()).uuid == location.uuid
    bar, *others = await device.get_zones()
    assert (bar.key, bar.name, others) == ("bar", "The bar", [])
    assert [it.uuid for it in await bar.get_devices()] == [device.uuid]
    assert [it.uuid for it in await bar.get_things()] == [thing.uuid]
    assert (await bar.get_location()).uuid == location.uuid
    assert bar.get_channel().name == f"{location.uuid}:zone:bar"
    bar.name = "The long bar"
    await bar.save()
    await location.refresh()
    assert (await location.get_zones())[0].name == "The long bar"
    await bar.refresh()
    assert bar.name == "The long bar"
    assert location.uuid in await location.get_layout_url()
    assert await (await exp.create_device()).get_location() is None
    assert await (await exp.create_device()).get_zones() == []


async def test_an_experience_knows_its_devices():
    exp = await sdk.start()
    experience = await exp.create_experience({"name": "Breakfast"})
    device = await exp.create_device({"experience": {"uuid": experience.uuid}})
    assert [it.uuid for it in await experience.get_devices()] == [device.uuid]
    assert (await device.get_experience()).name == "Breakfast"
    assert await (await exp.create_thing()).get_experience() is None


async def test_the_current_resources_are_those_of_the_device():
    exp = await sdk.start()
    location = await exp.create_location({"zones": [{"key": "a", "name": "A"}]})
    experience = await exp.create_experience()
    device = await exp.create_device(
        {
            "location": {"uuid": location.uuid, "zones": [{"key": "a"}]},
            "experience": {"uuid": experience.uuid},
        }
    )
    own = await sdk.start(uuid=device.uuid, secret=device.document["secret"])
    assert (await own.get_current_device()).uuid == device.uuid
    assert (await own.get_current_location()).uuid == location.uuid
    assert (await own.get_current_experience()).uuid == experience.uuid
    assert [zone.key for zone in await own.get_current_zones()] == ["a"]
    assert await own.get_current_user() is None
    assert (await own.get_auth())["identity"]["type"] == "device"


async def test_a_data_item_is_saved_refreshed_and_announced():
    exp = await sdk.start()
    data = await exp.create_data("menu", "today", {"soup": "leek"})
    updates = await data.get_channel(system=True).listen("update")
    data.value = {"soup": "tomato"}
    await data.save()
    assert await updates.wait(PATIENCE) is not None
    again = await exp.get_data("menu", "today")
    assert again.value == {"soup": "tomato"}
    await again.delete()
    assert await exp.get_data("menu", "today") is None
    await exp.create_data(key="plain", value=None)
    assert (await exp.get_data(key="plain")).value is None
    await exp.delete_data(key="plain")
    assert await exp.get_data("menu") is None
    with pytest.raises(sdk.RuntimeError, match="needs a key"):
        await exp.create_data("menu")


def loaded(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read()


async def test_content_has_urls_variants_and_children():
    exp = await sdk.start()
    root = await exp.get_content("root")
    children = {child.name: child for child in await root.get_children()}
    menus, player, news = children["Menus"], children["Player"], children["News"]
    assert menus.subtype == "scala:content:folder"
    [lunch] = await menus.get_children({"limit": 10})
    assert lunch.subtype == "scala:content:file"
    assert lunch.has_variant("small") and not lunch.has_variant("large")
    assert loaded(await lunch.get_url()) == b"the lunch"
    assert loaded(await lunch.get_variant_url("small")) == b"small"
    assert loaded(await player.get_url()) == b"<p>the player</p>"
    assert await news.get_url() == "https://news.example/"
    assert [file.name for file in await player.get_children()] == ["index.html"]
    assert (await exp.find_content({"name": "lunch.png"}))[0].uuid == lunch.uuid
    with pytest.raises(sdk.RuntimeError, match="no variant"):
        await lunch.get_variant_url("large")
    with pytest.raises(sdk.RuntimeError, match="cannot be deleted"):
        await lunch.delete()


async def test_plain_calls_send_what_they_are_given(unique):
    exp = await sdk.start()
    made = await exp.post("/api/things", {"name": "plain"})
    path = f"/api/things/{made['uuid']}"
    assert (await exp.get(path))["name"] == "plain"
    assert (await exp.patch(path, {"colour": "red"}))["colour"] == "red"
    assert (await exp.put(path, {"name": unique})).get("colour") is None
    assert (await exp.get("/api/things", {"name": unique, "limit": 5}))["total"] == 1
    await exp.delete(path)
    with pytest.raises(sdk.ApiError) as gone:
        await exp.get(path)
    assert gone.value.http_status == 404
    assert gone.value.payload["code"] == gone.value.code != ""
    assert gone.value.fate == "refused"
    with pytest.raises(sdk.RuntimeError, match="/api/"):
        await exp.get("/elsewhere")
