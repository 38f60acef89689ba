# Made by scripts/generate from ../aio/_resources.py: change that one.
"""EXP's resources: devices, things, experiences, locations, zones, feeds, data, content."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Type, TypeVar

from .._answers import (
    document_of,
    is_missing,
    member,
    objects,
    path_of,
    results_of,
    text,
)
from .._results import Results
from ..errors import ApiError, RuntimeError
from ._channel import Channel
from ._session import Session

Kind = TypeVar("Kind", bound="Resource")

Params = Optional[Mapping[str, Any]]


class Resource:
    """A resource of EXP: its document, which may be changed in place and saved."""

    COLLECTION: ClassVar[str] = ""

    def __init__(self, session: Session, context: str, document: Dict[str, Any]) -> None:
        self._session = session
        self._context = context
        #: The resource's document.
        self.document = document

    @property
    def uuid(self) -> str:
        """The resource's uuid."""
        return text(self.document, "uuid")

    @property
    def name(self) -> str:
        """The resource's name. Setting it changes the document, which :meth:`save` sends."""
        return text(self.document, "name")

    @name.setter
    def name(self, name: str) -> None:
        self.document["name"] = name

    def save(self) -> None:
        """Sends the document to EXP, and takes what EXP makes of it."""
        answer = self._session.request("PATCH", self._path(), None, self.document, True)
        self._take(answer)

    def refresh(self) -> None:
        """Gets the document anew."""
        self._take(self._session.request("GET", self._path()))

    def delete(self) -> None:
        """Deletes the resource."""
        self._session.request("DELETE", self._path())

    def get_channel(self, system: bool = False, consumer: bool = False) -> Channel:
        """The channel of this resource. EXP broadcasts ``update`` on its system side."""
        return Channel(self._session, self._context, self._channel_name(), system, consumer)

    def _path(self) -> str:
        return path_of(self.COLLECTION, self.uuid)

    def _channel_name(self) -> str:
        return self.uuid

    def _take(self, answer: Any) -> None:
        if isinstance(answer, dict):
            self.document = answer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uuid or self.name!r}>"


def get(
    kind: Type[Kind], session: Session, context: str, uuid: Optional[str]
) -> Optional[Kind]:
    """A resource by its uuid; ``None`` where there is no uuid or none such."""
    if not uuid:
        session.check()
        return None
    path = path_of(kind.COLLECTION, uuid)
    try:
        answer = session.request("GET", path)
    except ApiError as error:
        if is_missing(error):
            return None
        raise
    return kind(session, context, document_of(answer, path))


def create(
    kind: Type[Kind], session: Session, context: str, document: Optional[Dict[str, Any]]
) -> Kind:
    """Creates a resource."""
    answer = session.request("POST", kind.COLLECTION, None, document or {}, True)
    return kind(session, context, document_of(answer, kind.COLLECTION))


def find(
    kind: Type[Kind], session: Session, context: str, params: Params, path: str = ""
) -> Results[Kind]:
    """The resources that match."""
    path = path or kind.COLLECTION
    answer = session.request("GET", path, params)
    documents, total = results_of(answer, path)
    found = [kind(session, context, document) for document in documents]
    return Results(found, total, documents)


class _Located(Resource):
    """A resource that stands at a location and runs an experience."""

    def get_location(self) -> Optional[Location]:
        """Its location; ``None`` where it has none."""
        uuid = text(self.document, "location", "uuid")
        return get(Location, self._session, self._context, uuid)

    def get_zones(self) -> List[Zone]:
        """The zones of its location that it is in."""
        location = self.get_location()
        if location is None:
            return []
        keys = [text(zone, "key") for zone in objects(self.document, "location", "zones")]
        return [zone for zone in location.get_zones() if zone.key in keys]

    def get_experience(self) -> Optional[Experience]:
        """Its experience; ``None`` where it has none."""
        uuid = text(self.document, "experience", "uuid")
        return get(Experience, self._session, self._context, uuid)


class Device(_Located):
    """A device, such as a screen."""

    COLLECTION = "/api/devices"


class Thing(_Located):
    """A thing, such as a tag or a sensor."""

    COLLECTION = "/api/things"


class Experience(Resource):
    """An experience."""

    COLLECTION = "/api/experiences"

    def get_devices(self, params: Params = None) -> Results[Device]:
        """The devices that run it."""
        query = {"experience.uuid": self.uuid, **(params or {})}
        return find(Device, self._session, self._context, query)


class Location(Resource):
    """A location."""

    COLLECTION = "/api/locations"

    def get_devices(self, params: Params = None) -> Results[Device]:
        """The devices at it."""
        query = {"location.uuid": self.uuid, **(params or {})}
        return find(Device, self._session, self._context, query)

    def get_things(self, params: Params = None) -> Results[Thing]:
        """The things at it."""
        query = {"location.uuid": self.uuid, **(params or {})}
        return find(Thing, self._session, self._context, query)

    def get_zones(self) -> List[Zone]:
        """Its zones."""
        return [
            Zone(self._session, self._context, zone, self)
            for zone in objects(self.document, "zones")
        ]

    def get_layout_url(self) -> str:
        """A URL that loads its layout by itself. Whoever has it may read content."""
        return self._session.content_url(path_of(self.COLLECTION, self.uuid, "layout"), "")


class Zone(Resource):
    """A zone, which is a part of its location's document."""

    def __init__(
        self, session: Session, context: str, document: Dict[str, Any], location: Location
    ) -> None:
        super().__init__(session, context, document)
        self._location = location

    @property
    def key(self) -> str:
        """The zone's key within its location."""
        return text(self.document, "key")

    def get_devices(self, params: Params = None) -> Results[Device]:
        """The devices in it."""
        return find(Device, self._session, self._context, self._query(params))

    def get_things(self, params: Params = None) -> Results[Thing]:
        """The things in it."""
        return find(Thing, self._session, self._context, self._query(params))

    def get_location(self) -> Location:
        """Its location."""
        return self._location

    def save(self) -> None:
        """Saves its location, and this zone with it."""
        self._location.save()
        self._find_again()

    def refresh(self) -> None:
        """Gets its location anew, and this zone with it."""
        self._location.refresh()
        self._find_again()

    def delete(self) -> None:
        """Takes it out of its location."""
        zones = objects(self._location.document, "zones")
        self._location.document["zones"] = [z for z in zones if text(z, "key") != self.key]
        self._location.save()

    def _find_again(self) -> None:
        for zone in objects(self._location.document, "zones"):
            if text(zone, "key") == self.key:
                self.document = zone
                return

    def _query(self, params: Params) -> Dict[str, Any]:
        query = {"location.uuid": self._location.uuid, "location.zones.key": self.key}
        return {**query, **(params or {})}

    def _channel_name(self) -> str:
        return f"{self._location.uuid}:zone:{self.key}"

    def __repr__(self) -> str:
        return f"<Zone {self.key!r}>"


class Feed(Resource):
    """A feed of a connector."""

    COLLECTION = "/api/connectors/feeds"

    def get_data(self, params: Params = None) -> Any:
        """The feed's data."""
        return self._session.request("GET", self._path() + "/data", params)


class Data(Resource):
    """A data item: a JSON value at a group and a key."""

    COLLECTION = "/api/data"

    @property
    def group(self) -> str:
        """The item's group."""
        return text(self.document, "group")

    @property
    def key(self) -> str:
        """The item's key."""
        return text(self.document, "key")

    @property
    def value(self) -> Any:
        """The item's value. Setting it changes the document, which :meth:`save` sends."""
        return member(self.document, "value")

    @value.setter
    def value(self, value: Any) -> None:
        self.document["value"] = value

    def save(self) -> None:
        """Sends the value to EXP."""
        self._take(self._session.request("PUT", self._path(), None, self.value, True))

    def _path(self) -> str:
        return path_of(self.COLLECTION, self.group, self.key)

    def _channel_name(self) -> str:
        return f"data:{self.group}:{self.key}"

    def __repr__(self) -> str:
        return f"<Data {self.group}/{self.key}>"


class Content(Resource):
    """A node of the content: a folder, a file, an app or a URL."""

    COLLECTION = "/api/content"

    @property
    def subtype(self) -> str:
        """``scala:content:folder``, ``...:file``, ``...:app`` or ``...:url``."""
        return text(self.document, "subtype")

    def delete(self) -> None:
        """Content is not deleted by programs."""
        raise RuntimeError("content cannot be deleted by this library; exp.delete(path) sends any call")

    def get_url(self) -> str:
        """A URL that loads the file, the app or the web page by itself. Where it is a file or an
        app, whoever has it may read content."""
        if self.subtype == "scala:content:url":
            return text(self.document, "url")
        path = text(self.document, "path")
        if self.subtype == "scala:content:app":
            path += "/index.html"
        return self._session.content_url(path, "")

    def has_variant(self, name: str) -> bool:
        """True where the file has a variant of this name."""
        return any(text(variant, "name") == name for variant in objects(self.document, "variants"))

    def get_variant_url(self, name: str) -> str:
        """A URL that loads a variant of the file."""
        if not self.has_variant(name):
            raise RuntimeError(f"{self!r} has no variant {name!r}")
        return self._session.content_url(text(self.document, "path"), name)

    def get_children(self, params: Params = None) -> Results[Content]:
        """The nodes in a folder, or an app's files."""
        query = {"parent": self.uuid, **(params or {})}
        if self.subtype == "scala:content:app":
            query.setdefault("appContent", "include")
        return find(Content, self._session, self._context, query)
