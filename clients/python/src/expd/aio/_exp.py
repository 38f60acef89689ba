"""An instance of the SDK."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional

from .. import _options
from .._answers import document_of, is_missing, path_of, text
from .._results import Results
from ..errors import ApiError, RuntimeError
from . import _resources as resources
from ._channel import Channel
from ._resources import (
    Content,
    Data,
    Device,
    Experience,
    Feed,
    Location,
    Params,
    Thing,
    Zone,
)
from ._session import Session, sessions

Document = Optional[Dict[str, Any]]


class Exp:
    """An instance of the SDK: an identity of the daemon, or one of the program's own.

    Made by :func:`expd.aio.start`, or by :meth:`fork` and then started.
    """

    def __init__(self) -> None:
        self._shared: Optional[Session] = None
        self._context = ""

    async def start(self, **options: Any) -> Exp:
        """Starts an instance that :meth:`fork` made; options as of :func:`expd.aio.start`."""
        if self._shared is not None:
            raise RuntimeError("this instance of the SDK was started already: fork() makes another")
        session = Session(_options.check(**options))
        await session.begin()
        self._shared = session
        return self

    async def stop(self) -> None:
        """Ends the instance, the one that it is a clone of, and all clones. Later calls fail."""
        await self._session.stop()

    def fork(self) -> Exp:
        """An instance that is not started yet, for another identity."""
        return Exp()

    def clone(self, context: str) -> Exp:
        """This instance, bound to a context: :meth:`clear` ends the listeners made through it."""
        self._session.check()
        if not isinstance(context, str) or not context:
            raise RuntimeError("a context is a text that is not empty")
        clone = Exp()
        clone._shared, clone._context = self._shared, context
        return clone

    async def clear(self, context: Optional[str] = None) -> None:
        """Cancels all listeners of a context (of this clone's own, where none is given), those of
        this process's other instances as well."""
        self._session.check()
        await clear(context or self._context)

    def on(self, event: str, callback: Callable[..., Any]) -> None:
        """Registers a callback for ``update`` (with the authentication payload, when the identity
        has logged in), ``online``, ``offline`` or ``error`` (with the error). What holds already is
        called at once."""
        self._session.check()
        self._session.link.on(event, callback)

    @property
    def is_connected(self) -> bool:
        """True while the live connection to EXP is open."""
        return self._shared is not None and self._shared.link.is_connected

    async def get_auth(self) -> Dict[str, Any]:
        """The authentication payload: ``identity`` (with ``pairingCode`` while a device waits to be
        paired) and ``expiration`` in milliseconds since the epoch. Tokens stay in the daemon."""
        return await self._session.identity()

    def get_channel(
        self, name: str = "default", system: bool = False, consumer: bool = False
    ) -> Channel:
        """A channel. On the system side, EXP alone broadcasts; consumer apps use consumer ones."""
        self._session.check()
        return Channel(self._session, self._context, name, system, consumer)

    # Plain calls.

    async def get(self, path: str, params: Params = None) -> Any:
        """Sends a GET, and returns the answer's value. The path begins with ``/api/``."""
        return await self._session.request("GET", path, params)

    async def post(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a POST."""
        return await self._session.request("POST", path, params, payload, payload is not None)

    async def patch(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a PATCH."""
        return await self._session.request("PATCH", path, params, payload, payload is not None)

    async def put(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a PUT, whose body is JSON ``null`` where there is no payload."""
        return await self._session.request("PUT", path, params, payload, True)

    async def delete(self, path: str, params: Params = None) -> Any:
        """Sends a DELETE."""
        return await self._session.request("DELETE", path, params)

    # Devices.

    async def get_device(self, uuid: Optional[str] = None) -> Optional[Device]:
        """A device by its uuid; ``None`` where there is no uuid or none such."""
        return await resources.get(Device, self._session, self._context, uuid)

    async def create_device(self, document: Document = None) -> Device:
        """Creates a device. Its document then has the ``secret`` with which it logs in."""
        return await resources.create(Device, self._session, self._context, document)

    async def find_devices(self, params: Params = None) -> Results[Device]:
        """The devices that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return await resources.find(Device, self._session, self._context, params)

    async def delete_device(self, uuid: str) -> None:
        """Deletes a device."""
        await self._session.request("DELETE", path_of(Device.COLLECTION, uuid))

    # Things.

    async def get_thing(self, uuid: Optional[str] = None) -> Optional[Thing]:
        """A thing by its uuid; ``None`` where there is no uuid or none such."""
        return await resources.get(Thing, self._session, self._context, uuid)

    async def create_thing(self, document: Document = None) -> Thing:
        """Creates a thing."""
        return await resources.create(Thing, self._session, self._context, document)

    async def find_things(self, params: Params = None) -> Results[Thing]:
        """The things that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return await resources.find(Thing, self._session, self._context, params)

    async def delete_thing(self, uuid: str) -> None:
        """Deletes a thing."""
        await self._session.request("DELETE", path_of(Thing.COLLECTION, uuid))

    # Experiences.

    async def get_experience(self, uuid: Optional[str] = None) -> Optional[Experience]:
        """An experience by its uuid; ``None`` where there is no uuid or none such."""
        return await resources.get(Experience, self._session, self._context, uuid)

    async def create_experience(self, document: Document = None) -> Experience:
        """Creates an experience."""
        return await resources.create(Experience, self._session, self._context, document)

    async def find_experiences(self, params: Params = None) -> Results[Experience]:
        """The experiences that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return await resources.find(Experience, self._session, self._context, params)

    async def delete_experience(self, uuid: str) -> None:
        """Deletes an experience."""
        await self._session.request("DELETE", path_of(Experience.COLLECTION, uuid))

    # Locations.

    async def get_location(self, uuid: Optional[str] = None) -> Optional[Location]:
        """A location by its uuid; ``None`` where there is no uuid or none such."""
        return await resources.get(Location, self._session, self._context, uuid)

    async def create_location(self, document: Document = None) -> Location:
        """Creates a location."""
        return await resources.create(Location, self._session, self._context, document)

    async def find_locations(self, params: Params = None) -> Results[Location]:
        """The locations that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return await resources.find(Location, self._session, self._context, params)

    async def delete_location(self, uuid: str) -> None:
        """Deletes a location."""
        await self._session.request("DELETE", path_of(Location.COLLECTION, uuid))

    # Feeds.

    async def get_feed(self, uuid: Optional[str] = None) -> Optional[Feed]:
        """A feed by its uuid; ``None`` where there is no uuid or none such."""
        return await resources.get(Feed, self._session, self._context, uuid)

    async def create_feed(self, document: Document = None) -> Feed:
        """Creates a feed."""
        return await resources.create(Feed, self._session, self._context, document)

    async def find_feeds(self, params: Params = None) -> Results[Feed]:
        """The feeds that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return await resources.find(Feed, self._session, self._context, params)

    async def delete_feed(self, uuid: str) -> None:
        """Deletes a feed."""
        await self._session.request("DELETE", path_of(Feed.COLLECTION, uuid))

    # Data and content.

    async def get_data(self, group: str = "default", key: Optional[str] = None) -> Optional[Data]:
        """A data item; ``None`` where there is no key or none such."""
        if not key:
            self._session.check()
            return None
        path = path_of(Data.COLLECTION, group, key)
        try:
            answer = await self._session.request("GET", path)
        except ApiError as error:
            if is_missing(error):
                return None
            raise
        return Data(self._session, self._context, document_of(answer, path))

    async def create_data(
        self, group: str = "default", key: Optional[str] = None, value: Any = None
    ) -> Data:
        """Creates a data item, or replaces the one that is there."""
        if not key:
            raise RuntimeError("create_data needs a key")
        path = path_of(Data.COLLECTION, group, key)
        answer = await self._session.request("PUT", path, None, value, True)
        document = answer if isinstance(answer, dict) and "key" in answer else {}
        return Data(self._session, self._context, {"group": group, "key": key, **document})

    async def find_data(self, params: Params = None) -> Results[Data]:
        """The data items that match."""
        return await resources.find(Data, self._session, self._context, params)

    async def delete_data(self, group: str = "default", key: Optional[str] = None) -> None:
        """Deletes a data item."""
        if not key:
            raise RuntimeError("delete_data needs a key")
        await self._session.request("DELETE", path_of(Data.COLLECTION, group, key))

    async def get_content(self, uuid: Optional[str] = None) -> Optional[Content]:
        """A node of the content; ``None`` where there is none such. The top folder is ``root``."""
        return await resources.get(Content, self._session, self._context, uuid)

    async def find_content(self, params: Params = None) -> Results[Content]:
        """The nodes of the content that match."""
        return await resources.find(Content, self._session, self._context, params)

    # What belongs to the identity.

    async def get_current_device(self) -> Optional[Device]:
        """The device that the identity is; ``None`` for users and consumer apps."""
        identity = (await self._session.identity())["identity"]
        uuid = text(identity, "uuid") if identity.get("type") == "device" else None
        return await self.get_device(uuid)

    async def get_current_experience(self) -> Optional[Experience]:
        """The experience of the current device; ``None`` where there is none."""
        device = await self.get_current_device()
        return await device.get_experience() if device else None

    async def get_current_location(self) -> Optional[Location]:
        """The location of the current device; ``None`` where there is none."""
        device = await self.get_current_device()
        return await device.get_location() if device else None

    async def get_current_zones(self) -> List[Zone]:
        """The zones of the current device; empty where there are none."""
        device = await self.get_current_device()
        return await device.get_zones() if device else []

    async def get_current_user(self) -> Optional[Mapping[str, Any]]:
        """The document of the user that the identity is; ``None`` for devices and consumer apps."""
        identity = (await self._session.identity())["identity"]
        if identity.get("type") != "user":
            return None
        path = "/api/users/current"
        return document_of(await self._session.request("GET", path), path)

    @property
    def _session(self) -> Session:
        if self._shared is None:
            raise RuntimeError("this instance of the SDK is not started: call start() first")
        return self._shared

    async def __aenter__(self) -> Exp:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def start(
    *,
    instance: Optional[str] = None,
    username: Optional[str] = None,
    password: Optional[str] = None,
    organization: Optional[str] = None,
    uuid: Optional[str] = None,
    secret: Optional[str] = None,
    api_key: Optional[str] = None,
    allow_pairing: bool = False,
    host: Optional[str] = None,
    enable_network: bool = True,
    socket: Optional[str] = None,
    auth: Any = None,
) -> Exp:
    """Starts an instance of the SDK; may be called many times.

    Without credentials it is the daemon's default identity, or the one that ``instance`` names in
    its settings. With ``username``, ``password`` and ``organization``, with ``uuid`` and ``secret``
    (a device), with ``uuid`` and ``api_key`` (a consumer app) or with ``allow_pairing`` it is one
    of the program's own, which the daemon runs until :meth:`Exp.stop`; ``host`` is then the URL of
    EXP's API (that of the default identity where it is not given), and ``enable_network=False``
    leaves out the live connection. ``socket`` is the daemon's socket; without it, it is found as
    the command line does. ``auth`` is refused: the daemon alone holds tokens.
    """
    return await Exp().start(
        instance=instance,
        username=username,
        password=password,
        organization=organization,
        uuid=uuid,
        secret=secret,
        api_key=api_key,
        allow_pairing=allow_pairing,
        host=host,
        enable_network=enable_network,
        socket=socket,
        auth=auth,
    )


def fork() -> Exp:
    """An instance that is not started yet."""
    return Exp()


async def stop() -> None:
    """Ends all instances of this process."""
    for session in [it for it in sessions if it.transport.is_here]:
        await session.stop()


async def clear(context: str) -> None:
    """Cancels the listeners of a context, in all instances of this process."""
    for session in [it for it in sessions if it.transport.is_here]:
        await session.clear(context)
