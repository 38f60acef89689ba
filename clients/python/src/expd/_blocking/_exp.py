# Made by scripts/generate from ../aio/_exp.py: change that one.
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

    Made by :func:`expd.start`, or by :meth:`fork` and then started.
    """

    def __init__(self) -> None:
        self._shared: Optional[Session] = None
        self._context = ""

    def start(self, **options: Any) -> Exp:
        """Starts an instance that :meth:`fork` made; options as of :func:`expd.start`."""
        if self._shared is not None:
            raise RuntimeError("this instance of the SDK was started already: fork() makes another")
        session = Session(_options.check(**options))
        session.begin()
        self._shared = session
        return self

    def stop(self) -> None:
        """Ends the instance, the one that it is a clone of, and all clones. Later calls fail."""
        self._session.stop()

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

    def clear(self, context: Optional[str] = None) -> None:
        """Cancels all listeners of a context (of this clone's own, where none is given), those of
        this process's other instances as well."""
        self._session.check()
        clear(context or self._context)

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

    def get_auth(self) -> Dict[str, Any]:
        """The authentication payload: ``identity`` (with ``pairingCode`` while a device waits to be
        paired) and ``expiration`` in milliseconds since the epoch. Tokens stay in the daemon."""
        return self._session.identity()

    def get_channel(
        self, name: str = "default", system: bool = False, consumer: bool = False
    ) -> Channel:
        """A channel. On the system side, EXP alone broadcasts; consumer apps use consumer ones."""
        self._session.check()
        return Channel(self._session, self._context, name, system, consumer)

    # Plain calls.

    def get(self, path: str, params: Params = None) -> Any:
        """Sends a GET, and returns the answer's value. The path begins with ``/api/``."""
        return self._session.request("GET", path, params)

    def post(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a POST."""
        return self._session.request("POST", path, params, payload, payload is not None)

    def patch(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a PATCH."""
        return self._session.request("PATCH", path, params, payload, payload is not None)

    def put(self, path: str, payload: Any = None, params: Params = None) -> Any:
        """Sends a PUT, whose body is JSON ``null`` where there is no payload."""
        return self._session.request("PUT", path, params, payload, True)

    def delete(self, path: str, params: Params = None) -> Any:
        """Sends a DELETE."""
        return self._session.request("DELETE", path, params)

    # Devices.

    def get_device(self, uuid: Optional[str] = None) -> Optional[Device]:
        """A device by its uuid; ``None`` where there is no uuid or none such."""
        return resources.get(Device, self._session, self._context, uuid)

    def create_device(self, document: Document = None) -> Device:
        """Creates a device. Its document then has the ``secret`` with which it logs in."""
        return resources.create(Device, self._session, self._context, document)

    def find_devices(self, params: Params = None) -> Results[Device]:
        """The devices that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return resources.find(Device, self._session, self._context, params)

    def delete_device(self, uuid: str) -> None:
        """Deletes a device."""
        self._session.request("DELETE", path_of(Device.COLLECTION, uuid))

    # Things.

    def get_thing(self, uuid: Optional[str] = None) -> Optional[Thing]:
        """A thing by its uuid; ``None`` where there is no uuid or none such."""
        return resources.get(Thing, self._session, self._context, uuid)

    def create_thing(self, document: Document = None) -> Thing:
        """Creates a thing."""
        return resources.create(Thing, self._session, self._context, document)

    def find_things(self, params: Params = None) -> Results[Thing]:
        """The things that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return resources.find(Thing, self._session, self._context, params)

    def delete_thing(self, uuid: str) -> None:
        """Deletes a thing."""
        self._session.request("DELETE", path_of(Thing.COLLECTION, uuid))

    # Experiences.

    def get_experience(self, uuid: Optional[str] = None) -> Optional[Experience]:
        """An experience by its uuid; ``None`` where there is no uuid or none such."""
        return resources.get(Experience, self._session, self._context, uuid)

    def create_experience(self, document: Document = None) -> Experience:
        """Creates an experience."""
        return resources.create(Experience, self._session, self._context, document)

    def find_experiences(self, params: Params = None) -> Results[Experience]:
        """The experiences that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return resources.find(Experience, self._session, self._context, params)

    def delete_experience(self, uuid: str) -> None:
        """Deletes an experience."""
        self._session.request("DELETE", path_of(Experience.COLLECTION, uuid))

    # Locations.

    def get_location(self, uuid: Optional[str] = None) -> Optional[Location]:
        """A location by its uuid; ``None`` where there is no uuid or none such."""
        return resources.get(Location, self._session, self._context, uuid)

    def create_location(self, document: Document = None) -> Location:
        """Creates a location."""
        return resources.create(Location, self._session, self._context, document)

    def find_locations(self, params: Params = None) -> Results[Location]:
        """The locations that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return resources.find(Location, self._session, self._context, params)

    def delete_location(self, uuid: str) -> None:
        """Deletes a location."""
        self._session.request("DELETE", path_of(Location.COLLECTION, uuid))

    # Feeds.

    def get_feed(self, uuid: Optional[str] = None) -> Optional[Feed]:
        """A feed by its uuid; ``None`` where there is no uuid or none such."""
        return resources.get(Feed, self._session, self._context, uuid)

    def create_feed(self, document: Document = None) -> Feed:
        """Creates a feed."""
        return resources.create(Feed, self._session, self._context, document)

    def find_feeds(self, params: Params = None) -> Results[Feed]:
        """The feeds that match: ``limit``, ``skip``, ``sort``, and members by name."""
        return resources.find(Feed, self._session, self._context, params)

    def delete_feed(self, uuid: str) -> None:
        """Deletes a feed."""
        self._session.request("DELETE", path_of(Feed.COLLECTION, uuid))

    # Data and content.

    def get_data(self, group: str = "default", key: Optional[str] = None) -> Optional[Data]:
        """A data item; ``None`` where there is no key or none such."""
        if not key:
            self._session.check()
            return None
        path = path_of(Data.COLLECTION, group, key)
        try:
            answer = self._session.request("GET", path)
        except ApiError as error:
            if is_missing(error):
                return None
            raise
        return Data(self._session, self._context, document_of(answer, path))

    def create_data(
        self, group: str = "default", key: Optional[str] = None, value: Any = None
    ) -> Data:
        """Creates a data item, or replaces the one that is there."""
        if not key:
            raise RuntimeError("create_data needs a key")
        path = path_of(Data.COLLECTION, group, key)
        answer = self._session.request("PUT", path, None, value, True)
        document = answer if isinstance(answer, dict) and "key" in answer else {}
        return Data(self._session, self._context, {"group": group, "key": key, **document})

    def find_data(self, params: Params = None) -> Results[Data]:
        """The data items that match."""
        return resources.find(Data, self._session, self._context, params)

    def delete_data(self, group: str = "default", key: Optional[str] = None) -> None:
        """Deletes a data item."""
        if not key:
            raise RuntimeError("delete_data needs a key")
        self._session.request("DELETE", path_of(Data.COLLECTION, group, key))

    def get_content(self, uuid: Optional[str] = None) -> Optional[Content]:
        """A node of the content; ``None`` where there is none such. The top folder is ``root``."""
        return resources.get(Content, self._session, self._context, uuid)

    def find_content(self, params: Params = None) -> Results[Content]:
        """The nodes of the content that match."""
        return resources.find(Content, self._session, self._context, params)

    # What belongs to the identity.

    def get_current_device(self) -> Optional[Device]:
        """The device that the identity is; ``None`` for users and consumer apps."""
        identity = (self._session.identity())["identity"]
        uuid = text(identity, "uuid") if identity.get("type") == "device" else None
        return self.get_device(uuid)

    def get_current_experience(self) -> Optional[Experience]:
        """The experience of the current device; ``None`` where there is none."""
        device = self.get_current_device()
        return device.get_experience() if device else None

    def get_current_location(self) -> Optional[Location]:
        """The location of the current device; ``None`` where there is none."""
        device = self.get_current_device()
        return device.get_location() if device else None

    def get_current_zones(self) -> List[Zone]:
        """The zones of the current device; empty where there are none."""
        device = self.get_current_device()
        return device.get_zones() if device else []

    def get_current_user(self) -> Optional[Mapping[str, Any]]:
        """The document of the user that the identity is; ``None`` for devices and consumer apps."""
        identity = (self._session.identity())["identity"]
        if identity.get("type") != "user":
            return None
        path = "/api/users/current"
        return document_of(self._session.request("GET", path), path)

    @property
    def _session(self) -> Session:
        if self._shared is None:
            raise RuntimeError("this instance of the SDK is not started: call start() first")
        return self._shared

    def __enter__(self) -> Exp:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
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
    return Exp().start(
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


def stop() -> None:
    """Ends all instances of this process."""
    for session in [it for it in sessions if it.transport.is_here]:
        session.stop()


def clear(context: str) -> None:
    """Cancels the listeners of a context, in all instances of this process."""
    for session in [it for it in sessions if it.transport.is_here]:
        session.clear(context)
