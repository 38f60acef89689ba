from expd.v1 import api_pb2 as _api_pb2
from expd.v1 import network_pb2 as _network_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import Any as _Any, ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ("needs_restart",)
    NEEDS_RESTART_FIELD_NUMBER: _ClassVar[int]
    needs_restart: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, needs_restart: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("verb", "instance", "channel", "path", "pid", "uid", "token", "app", "name", "method")
    VERB_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    verb: str
    instance: str
    channel: _network_pb2.Channel
    path: str
    pid: int
    uid: int
    token: str
    app: str
    name: str
    method: str
    def __init__(self, verb: _Optional[str] = ..., instance: _Optional[str] = ..., channel: _Optional[_Union[_network_pb2.Channel, _Mapping[_Any, _Any]]] = ..., path: _Optional[str] = ..., pid: _Optional[int] = ..., uid: _Optional[int] = ..., token: _Optional[str] = ..., app: _Optional[str] = ..., name: _Optional[str] = ..., method: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("allowed", "caller", "reason", "rules", "missed")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    caller: str
    reason: str
    rules: _containers.RepeatedCompositeFieldContainer[DecidingRule]
    missed: _containers.RepeatedCompositeFieldContainer[MissedRule]
    def __init__(self, allowed: bool = ..., caller: _Optional[str] = ..., reason: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[DecidingRule, _Mapping[_Any, _Any]]]] = ..., missed: _Optional[_Iterable[_Union[MissedRule, _Mapping[_Any, _Any]]]] = ...) -> None: ...

class DecidingRule(_message.Message):
    __slots__ = ("rule", "verb", "text")
    RULE_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    rule: str
    verb: str
    text: str
    def __init__(self, rule: _Optional[str] = ..., verb: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class MissedRule(_message.Message):
    __slots__ = ("rule", "text", "conditions", "for_caller")
    RULE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    FOR_CALLER_FIELD_NUMBER: _ClassVar[int]
    rule: str
    text: str
    conditions: _containers.RepeatedScalarFieldContainer[str]
    for_caller: bool
    def __init__(self, rule: _Optional[str] = ..., text: _Optional[str] = ..., conditions: _Optional[_Iterable[str]] = ..., for_caller: bool = ...) -> None: ...

class RunInstanceRequest(_message.Message):
    __slots__ = ("name", "host", "credentials", "network")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    name: str
    host: str
    credentials: Credentials
    network: bool
    def __init__(self, name: _Optional[str] = ..., host: _Optional[str] = ..., credentials: _Optional[_Union[Credentials, _Mapping[_Any, _Any]]] = ..., network: bool = ...) -> None: ...

class Credentials(_message.Message):
    __slots__ = ("device", "user", "consumer_app")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_APP_FIELD_NUMBER: _ClassVar[int]
    device: DeviceCredentials
    user: UserCredentials
    consumer_app: ConsumerAppCredentials
    def __init__(self, device: _Optional[_Union[DeviceCredentials, _Mapping[_Any, _Any]]] = ..., user: _Optional[_Union[UserCredentials, _Mapping[_Any, _Any]]] = ..., consumer_app: _Optional[_Union[ConsumerAppCredentials, _Mapping[_Any, _Any]]] = ...) -> None: ...

class DeviceCredentials(_message.Message):
    __slots__ = ("uuid", "secret", "allow_pairing")
    UUID_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PAIRING_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    secret: str
    allow_pairing: bool
    def __init__(self, uuid: _Optional[str] = ..., secret: _Optional[str] = ..., allow_pairing: bool = ...) -> None: ...

class UserCredentials(_message.Message):
    __slots__ = ("username", "password", "organization")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    organization: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ..., organization: _Optional[str] = ...) -> None: ...

class ConsumerAppCredentials(_message.Message):
    __slots__ = ("uuid", "api_key")
    UUID_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    api_key: str
    def __init__(self, uuid: _Optional[str] = ..., api_key: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Status(_message.Message):
    __slots__ = ("version", "started_at", "instances", "next_page_token", "settings_mistakes", "web_pages", "web_apps", "limit_hits")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_MISTAKES_FIELD_NUMBER: _ClassVar[int]
    WEB_PAGES_FIELD_NUMBER: _ClassVar[int]
    WEB_APPS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_HITS_FIELD_NUMBER: _ClassVar[int]
    version: str
    started_at: _timestamp_pb2.Timestamp
    instances: _containers.RepeatedCompositeFieldContainer[InstanceStatus]
    next_page_token: str
    settings_mistakes: _containers.RepeatedScalarFieldContainer[str]
    web_pages: _containers.RepeatedCompositeFieldContainer[WebPageStatus]
    web_apps: _containers.RepeatedCompositeFieldContainer[WebAppStatus]
    limit_hits: _containers.RepeatedCompositeFieldContainer[LimitHit]
    def __init__(self, version: _Optional[str] = ..., started_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., instances: _Optional[_Iterable[_Union[InstanceStatus, _Mapping[_Any, _Any]]]] = ..., next_page_token: _Optional[str] = ..., settings_mistakes: _Optional[_Iterable[str]] = ..., web_pages: _Optional[_Iterable[_Union[WebPageStatus, _Mapping[_Any, _Any]]]] = ..., web_apps: _Optional[_Iterable[_Union[WebAppStatus, _Mapping[_Any, _Any]]]] = ..., limit_hits: _Optional[_Iterable[_Union[LimitHit, _Mapping[_Any, _Any]]]] = ...) -> None: ...

class LimitHit(_message.Message):
    __slots__ = ("limit", "user", "pid", "uid", "count", "last_at")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_FIELD_NUMBER: _ClassVar[int]
    limit: str
    user: str
    pid: int
    uid: int
    count: int
    last_at: _timestamp_pb2.Timestamp
    def __init__(self, limit: _Optional[str] = ..., user: _Optional[str] = ..., pid: _Optional[int] = ..., uid: _Optional[int] = ..., count: _Optional[int] = ..., last_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ...) -> None: ...

class WebPageStatus(_message.Message):
    __slots__ = ("app", "origin", "instance", "since", "protocol", "websocket", "channels", "behind", "delivered")
    APP_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    WEBSOCKET_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    app: str
    origin: str
    instance: str
    since: _timestamp_pb2.Timestamp
    protocol: int
    websocket: bool
    channels: int
    behind: int
    delivered: int
    def __init__(self, app: _Optional[str] = ..., origin: _Optional[str] = ..., instance: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., protocol: _Optional[int] = ..., websocket: bool = ..., channels: _Optional[int] = ..., behind: _Optional[int] = ..., delivered: _Optional[int] = ...) -> None: ...

class WebAppStatus(_message.Message):
    __slots__ = ("app", "instance", "opened", "delivered", "cut", "refused", "origins")
    APP_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    app: str
    instance: str
    opened: int
    delivered: int
    cut: int
    refused: int
    origins: _containers.RepeatedCompositeFieldContainer[WebOriginStatus]
    def __init__(self, app: _Optional[str] = ..., instance: _Optional[str] = ..., opened: _Optional[int] = ..., delivered: _Optional[int] = ..., cut: _Optional[int] = ..., refused: _Optional[int] = ..., origins: _Optional[_Iterable[_Union[WebOriginStatus, _Mapping[_Any, _Any]]]] = ...) -> None: ...

class WebOriginStatus(_message.Message):
    __slots__ = ("origin", "opened", "delivered", "cut", "refused")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    origin: str
    opened: int
    delivered: int
    cut: int
    refused: int
    def __init__(self, origin: _Optional[str] = ..., opened: _Optional[int] = ..., delivered: _Optional[int] = ..., cut: _Optional[int] = ..., refused: _Optional[int] = ...) -> None: ...

class LinkEvent(_message.Message):
    __slots__ = ("instance", "state", "since", "reason")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[LinkEvent.State]
        CONNECTING: _ClassVar[LinkEvent.State]
        ONLINE: _ClassVar[LinkEvent.State]
        OFFLINE: _ClassVar[LinkEvent.State]
        REFUSED: _ClassVar[LinkEvent.State]
        PAIRING: _ClassVar[LinkEvent.State]
    STATE_UNSPECIFIED: LinkEvent.State
    CONNECTING: LinkEvent.State
    ONLINE: LinkEvent.State
    OFFLINE: LinkEvent.State
    REFUSED: LinkEvent.State
    PAIRING: LinkEvent.State
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    instance: str
    state: LinkEvent.State
    since: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, instance: _Optional[str] = ..., state: _Optional[_Union[LinkEvent.State, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., reason: _Optional[str] = ...) -> None: ...

class InstanceStatus(_message.Message):
    __slots__ = ("instance", "host", "identity", "link", "channels", "listeners", "counters", "waiting_broadcasts", "transient", "unsaved_credentials")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    WAITING_BROADCASTS_FIELD_NUMBER: _ClassVar[int]
    TRANSIENT_FIELD_NUMBER: _ClassVar[int]
    UNSAVED_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    instance: str
    host: str
    identity: _api_pb2.Identity
    link: LinkStatus
    channels: _containers.RepeatedCompositeFieldContainer[ChannelStatus]
    listeners: _containers.RepeatedCompositeFieldContainer[ListenerStatus]
    counters: Counters
    waiting_broadcasts: int
    transient: bool
    unsaved_credentials: str
    def __init__(self, instance: _Optional[str] = ..., host: _Optional[str] = ..., identity: _Optional[_Union[_api_pb2.Identity, _Mapping[_Any, _Any]]] = ..., link: _Optional[_Union[LinkStatus, _Mapping[_Any, _Any]]] = ..., channels: _Optional[_Iterable[_Union[ChannelStatus, _Mapping[_Any, _Any]]]] = ..., listeners: _Optional[_Iterable[_Union[ListenerStatus, _Mapping[_Any, _Any]]]] = ..., counters: _Optional[_Union[Counters, _Mapping[_Any, _Any]]] = ..., waiting_broadcasts: _Optional[int] = ..., transient: bool = ..., unsaved_credentials: _Optional[str] = ...) -> None: ...

class LinkStatus(_message.Message):
    __slots__ = ("state", "since", "attempt", "last_error", "next_try", "protocol", "token_expires_at")
    STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    NEXT_TRY_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    state: LinkEvent.State
    since: _timestamp_pb2.Timestamp
    attempt: int
    last_error: str
    next_try: _timestamp_pb2.Timestamp
    protocol: int
    token_expires_at: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[LinkEvent.State, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., attempt: _Optional[int] = ..., last_error: _Optional[str] = ..., next_try: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., protocol: _Optional[int] = ..., token_expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ...) -> None: ...

class ChannelStatus(_message.Message):
    __slots__ = ("channel", "channel_id", "wanted_since", "asked_at", "confirmed_at", "last_broadcast_at", "listeners", "log_events", "log_bytes", "log_sequence", "refusal")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    WANTED_SINCE_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_BROADCAST_AT_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    LOG_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOG_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    channel: _network_pb2.Channel
    channel_id: str
    wanted_since: _timestamp_pb2.Timestamp
    asked_at: _timestamp_pb2.Timestamp
    confirmed_at: _timestamp_pb2.Timestamp
    last_broadcast_at: _timestamp_pb2.Timestamp
    listeners: int
    log_events: int
    log_bytes: int
    log_sequence: int
    refusal: str
    def __init__(self, channel: _Optional[_Union[_network_pb2.Channel, _Mapping[_Any, _Any]]] = ..., channel_id: _Optional[str] = ..., wanted_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., asked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., confirmed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., last_broadcast_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., listeners: _Optional[int] = ..., log_events: _Optional[int] = ..., log_bytes: _Optional[int] = ..., log_sequence: _Optional[int] = ..., refusal: _Optional[str] = ...) -> None: ...

class ListenerStatus(_message.Message):
    __slots__ = ("id", "channel", "name", "context", "pid", "uid", "behind", "delivered", "missed")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    id: str
    channel: _network_pb2.Channel
    name: str
    context: str
    pid: int
    uid: int
    behind: int
    delivered: int
    missed: int
    def __init__(self, id: _Optional[str] = ..., channel: _Optional[_Union[_network_pb2.Channel, _Mapping[_Any, _Any]]] = ..., name: _Optional[str] = ..., context: _Optional[str] = ..., pid: _Optional[int] = ..., uid: _Optional[int] = ..., behind: _Optional[int] = ..., delivered: _Optional[int] = ..., missed: _Optional[int] = ...) -> None: ...

class Counters(_message.Message):
    __slots__ = ("connects", "disconnects", "logins", "refreshes", "broadcasts_received", "duplicates", "deliveries", "gaps", "broadcasts_sent", "broadcasts_failed", "responses_sent", "responses_failed", "unexpected_messages")
    CONNECTS_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTS_FIELD_NUMBER: _ClassVar[int]
    LOGINS_FIELD_NUMBER: _ClassVar[int]
    REFRESHES_FIELD_NUMBER: _ClassVar[int]
    BROADCASTS_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    BROADCASTS_SENT_FIELD_NUMBER: _ClassVar[int]
    BROADCASTS_FAILED_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_SENT_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FAILED_FIELD_NUMBER: _ClassVar[int]
    UNEXPECTED_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    connects: int
    disconnects: int
    logins: int
    refreshes: int
    broadcasts_received: int
    duplicates: int
    deliveries: int
    gaps: int
    broadcasts_sent: int
    broadcasts_failed: int
    responses_sent: int
    responses_failed: int
    unexpected_messages: int
    def __init__(self, connects: _Optional[int] = ..., disconnects: _Optional[int] = ..., logins: _Optional[int] = ..., refreshes: _Optional[int] = ..., broadcasts_received: _Optional[int] = ..., duplicates: _Optional[int] = ..., deliveries: _Optional[int] = ..., gaps: _Optional[int] = ..., broadcasts_sent: _Optional[int] = ..., broadcasts_failed: _Optional[int] = ..., responses_sent: _Optional[int] = ..., responses_failed: _Optional[int] = ..., unexpected_messages: _Optional[int] = ...) -> None: ...
