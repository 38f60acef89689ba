# Made by scripts/generate from test_resources_aio.py: change that one.
"""The operations on resources."""

import urllib.request

import expd as sdk
import pytest
from daemon import PATIENCE


def test_every_kind_is_created_found_changed_and_deleted(unique):
    exp = sdk.start()
    for one, many in (
        ("device", "devices"),
        ("thing", "things"),
        ("experience", "experiences"),
        ("location", "locations"),
        ("feed", "feeds"),
    ):
        resource = getattr(exp, f"create_{one}")({"name": f"a {one}", "colour": unique})
        found = getattr(exp, f"find_{many}")({"colour": unique})
        assert [it.uuid for it in found] == [resource.uuid]
        updates = resource.get_channel(system=True).listen("update")
        resource.name = "renamed"
        resource.document["colour"] = "blue"
        resource.save()
        assert (updates.wait(PATIENCE)).payload["colour"] == "blue"
        again = getattr(exp, f"get_{one}")(resource.uuid)
        assert again.name == "renamed" and again.document["colour"] == "blue"
        again.name = "not saved"
        again.refresh()
        assert again.name == "renamed"
        getattr(exp, f"delete_{one}")(resource.uuid)
        assert getattr(exp, f"get_{one}")(resource.uuid) is None


def test_a_location_knows_its_devices_things_zones_and_layout():
    exp = sdk.start()
    zones = [{"key": "bar", "name": "The bar"}, {"key": "door", "name": "The door"}]
    location = exp.create_location({"name": "Inn", "zones": zones})
    at = {"location": {"uuid": location.uuid, "zones": [{"key": "bar"}]}}
    device = exp.create_device(at)
    thing = exp.create_thing(at)
    assert [it.uuid for it in location.get_devices()] == [device.uuid]
    assert [it.uuid for it in location.get_things({"limit": 5})] == [thing.uuid]
    assert [zone.key for zone in location.get_zones()] == ["bar", "door"]
    assert (device.get_location()).uuid == location.uuid
    bar, *others = device.get_zones()
    assert (bar.key, bar.name, others) == ("bar", "The bar", [])
    assert [it.uuid for it in bar.get_devices()] == [device.uuid]
    assert [it.uuid for it in bar.get_things()] == [thing.uuid]
    assert (bar.get_location()).uuid == location.uuid
    assert bar.get_channel().name == f"{location.uuid}:zone:bar"
    bar.name = "The long bar"
    bar.save()
    location.refresh()
    assert (location.get_zones())[0].name == "The long bar"
    bar.refresh()
    assert bar.name == "The long bar"
    assert location.uuid in location.get_layout_url()
    assert (exp.create_device()).get_location() is None
    assert (exp.create_device()).get_zones() == []


def test_an_experience_knows_its_devices():
    exp = sdk.start()
    experience = exp.create_experience({"name": "Breakfast"})
    device = exp.create_device({"experience": {"uuid": experience.uuid}})
    assert [it.uuid for it in experience.get_devices()] == [device.uuid]
    assert (device.get_experience()).name == "Breakfast"
    assert (exp.create_thing()).get_experience() is None


def test_the_current_resources_are_those_of_the_device():
    exp = sdk.start()
    location = exp.create_location({"zones": [{"key": "a", "name": "A"}]})
    experience = exp.create_experience()
    device = exp.create_device(
        {
            "location": {"uuid": location.uuid, "zones": [{"key": "a"}]},
            "experience": {"uuid": experience.uuid},
        }
    )
    own = sdk.start(uuid=device.uuid, secret=device.document["secret"])
    assert (own.get_current_device()).uuid == device.uuid
    assert (own.get_current_location()).uuid == location.uuid
    assert (own.get_current_experience()).uuid == experience.uuid
    assert [zone.key for zone in own.get_current_zones()] == ["a"]
    assert own.get_current_user() is None
    assert (own.get_auth())["identity"]["type"] == "device"


def test_a_data_item_is_saved_refreshed_and_announced():
    exp = sdk.start()
    data = exp.create_data("menu", "today", {"soup": "leek"})
    updates = data.get_channel(system=True).listen("update")
    data.value = {"soup": "tomato"}
    data.save()
    assert updates.wait(PATIENCE) is not None
    again = exp.get_data("menu", "today")
    assert again.value == {"soup": "tomato"}
    again.delete()
    assert exp.get_data("menu", "today") is None
    exp.create_data(key="plain", value=None)
    assert (exp.get_data(key="plain")).value is None
    exp.delete_data(key="plain")
    assert exp.get_data("menu") is None
    with pytest.raises(sdk.RuntimeError, match="needs a key"):
        exp.create_data("menu")


def loaded(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read()


def test_content_has_urls_variants_and_children():
    exp = sdk.start()
    root = exp.get_content("root")
    children = {child.name: child for child in root.get_children()}
    menus, player, news = children["Menus"], children["Player"], children["News"]
    assert menus.subtype == "scala:content:folder"
    [lunch] = menus.get_children({"limit": 10})
    assert lunch.subtype == "scala:content:file"
    assert lunch.has_variant("small") and not lunch.has_variant("large")
    assert loaded(lunch.get_url()) == b"the lunch"
    assert loaded(lunch.get_variant_url("small")) == b"small"
    assert loaded(player.get_url()) == b"<p>the player</p>"
    assert news.get_url() == "https://news.example/"
    assert [file.name for file in player.get_children()] == ["index.html"]
    assert (exp.find_content({"name": "lunch.png"}))[0].uuid == lunch.uuid
    with pytest.raises(sdk.RuntimeError, match="no variant"):
        lunch.get_variant_url("large")
    with pytest.raises(sdk.RuntimeError, match="cannot be deleted"):
        lunch.delete()


def test_plain_calls_send_what_they_are_given(unique):
    exp = sdk.start()
    made = exp.post("/api/things", {"name": "plain"})
    path = f"/api/things/{made['uuid']}"
    assert (exp.get(path))["name"] == "plain"
    assert (exp.patch(path, {"colour": "red"}))["colour"] == "red"
    assert (exp.put(path, {"name": unique})).get("colour") is None
    assert (exp.get("/api/things", {"name": unique, "limit": 5}))["total"] == 1
    exp.delete(path)
    with pytest.raises(sdk.ApiError) as gone:
        exp.get(path)
    assert gone.value.http_status == 404
    assert gone.value.payload["code"] == gone.value.code != ""
    assert gone.value.fate == "refused"
    with pytest.raises(sdk.RuntimeError, match="/api/"):
        exp.get("/elsewhere")
