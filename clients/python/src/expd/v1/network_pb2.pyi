from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import Any as _Any, ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PayloadForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JSON: _ClassVar[PayloadForm]
    VALUE: _ClassVar[PayloadForm]
JSON: PayloadForm
VALUE: PayloadForm

class Channel(_message.Message):
    __slots__ = ("name", "system", "consumer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    name: str
    system: bool
    consumer: bool
    def __init__(self, name: _Optional[str] = ..., system: bool = ..., consumer: bool = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("json", "value")
    JSON_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    json: str
    value: _struct_pb2.Value
    def __init__(self, json: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping[_Any, _Any]]] = ...) -> None: ...

class BroadcastRequest(_message.Message):
    __slots__ = ("instance", "channel", "name", "payload", "timeout", "payload_form", "wait_for_connection")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORM_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    instance: str
    channel: Channel
    name: str
    payload: Payload
    timeout: _duration_pb2.Duration
    payload_form: PayloadForm
    wait_for_connection: bool
    def __init__(self, instance: _Optional[str] = ..., channel: _Optional[_Union[Channel, _Mapping[_Any, _Any]]] = ..., name: _Optional[str] = ..., payload: _Optional[_Union[Payload, _Mapping[_Any, _Any]]] = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping[_Any, _Any]]] = ..., payload_form: _Optional[_Union[PayloadForm, str]] = ..., wait_for_connection: bool = ...) -> None: ...

class BroadcastResponse(_message.Message):
    __slots__ = ("responses",)
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[Payload]
    def __init__(self, responses: _Optional[_Iterable[_Union[Payload, _Mapping[_Any, _Any]]]] = ...) -> None: ...

class ListenRequest(_message.Message):
    __slots__ = ("instance", "channel", "name", "context", "options", "payload_form", "resume")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORM_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    instance: str
    channel: Channel
    name: str
    context: str
    options: ListenerOptions
    payload_form: PayloadForm
    resume: Resume
    def __init__(self, instance: _Optional[str] = ..., channel: _Optional[_Union[Channel, _Mapping[_Any, _Any]]] = ..., name: _Optional[str] = ..., context: _Optional[str] = ..., options: _Optional[_Union[ListenerOptions, _Mapping[_Any, _Any]]] = ..., payload_form: _Optional[_Union[PayloadForm, str]] = ..., resume: _Optional[_Union[Resume, _Mapping[_Any, _Any]]] = ...) -> None: ...

class ListenerOptions(_message.Message):
    __slots__ = ("max_age", "overflow")
    class Overflow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SKIP: _ClassVar[ListenerOptions.Overflow]
        CANCEL: _ClassVar[ListenerOptions.Overflow]
    SKIP: ListenerOptions.Overflow
    CANCEL: ListenerOptions.Overflow
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    max_age: _duration_pb2.Duration
    overflow: ListenerOptions.Overflow
    def __init__(self, max_age: _Optional[_Union[_duration_pb2.Duration, _Mapping[_Any, _Any]]] = ..., overflow: _Optional[_Union[ListenerOptions.Overflow, str]] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("log_id", "after")
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    after: int
    def __init__(self, log_id: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class ListenEvent(_message.Message):
    __slots__ = ("sequence", "subscription", "broadcast", "gap")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    subscription: Subscription
    broadcast: Broadcast
    gap: Gap
    def __init__(self, sequence: _Optional[int] = ..., subscription: _Optional[_Union[Subscription, _Mapping[_Any, _Any]]] = ..., broadcast: _Optional[_Union[Broadcast, _Mapping[_Any, _Any]]] = ..., gap: _Optional[_Union[Gap, _Mapping[_Any, _Any]]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("state", "listener_id", "channel_id", "log_id", "since")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Subscription.State]
        PENDING: _ClassVar[Subscription.State]
        CONFIRMED: _ClassVar[Subscription.State]
    STATE_UNSPECIFIED: Subscription.State
    PENDING: Subscription.State
    CONFIRMED: Subscription.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    LISTENER_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    state: Subscription.State
    listener_id: str
    channel_id: str
    log_id: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[Subscription.State, str]] = ..., listener_id: _Optional[str] = ..., channel_id: _Optional[str] = ..., log_id: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ...) -> None: ...

class Broadcast(_message.Message):
    __slots__ = ("id", "name", "channel", "channel_id", "payload", "received_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    channel: Channel
    channel_id: str
    payload: Payload
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., channel: _Optional[_Union[Channel, _Mapping[_Any, _Any]]] = ..., channel_id: _Optional[str] = ..., payload: _Optional[_Union[Payload, _Mapping[_Any, _Any]]] = ..., received_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("reason", "missed", "to")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Gap.Reason]
        OFFLINE: _ClassVar[Gap.Reason]
        OVERFLOW: _ClassVar[Gap.Reason]
        EXPIRED: _ClassVar[Gap.Reason]
        RESTARTED: _ClassVar[Gap.Reason]
    REASON_UNSPECIFIED: Gap.Reason
    OFFLINE: Gap.Reason
    OVERFLOW: Gap.Reason
    EXPIRED: Gap.Reason
    RESTARTED: Gap.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    reason: Gap.Reason
    missed: int
    to: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[_Union[Gap.Reason, str]] = ..., missed: _Optional[int] = ..., to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., **kwargs: _Any) -> None: ...

class RespondRequest(_message.Message):
    __slots__ = ("instance", "broadcast_id", "channel_id", "payload")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    instance: str
    broadcast_id: str
    channel_id: str
    payload: Payload
    def __init__(self, instance: _Optional[str] = ..., broadcast_id: _Optional[str] = ..., channel_id: _Optional[str] = ..., payload: _Optional[_Union[Payload, _Mapping[_Any, _Any]]] = ...) -> None: ...

class RespondResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenListenerResponse(_message.Message):
    __slots__ = ("listener_id",)
    LISTENER_ID_FIELD_NUMBER: _ClassVar[int]
    listener_id: str
    def __init__(self, listener_id: _Optional[str] = ...) -> None: ...

class NextEventRequest(_message.Message):
    __slots__ = ("listener_id", "wait", "after", "repeat")
    LISTENER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REPEAT_FIELD_NUMBER: _ClassVar[int]
    listener_id: str
    wait: _duration_pb2.Duration
    after: int
    repeat: bool
    def __init__(self, listener_id: _Optional[str] = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping[_Any, _Any]]] = ..., after: _Optional[int] = ..., repeat: bool = ...) -> None: ...

class NextEventResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: ListenEvent
    def __init__(self, event: _Optional[_Union[ListenEvent, _Mapping[_Any, _Any]]] = ...) -> None: ...

class CancelListenerRequest(_message.Message):
    __slots__ = ("listener_id",)
    LISTENER_ID_FIELD_NUMBER: _ClassVar[int]
    listener_id: str
    def __init__(self, listener_id: _Optional[str] = ...) -> None: ...

class CancelListenerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClearContextRequest(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: str
    def __init__(self, context: _Optional[str] = ...) -> None: ...

class ClearContextResponse(_message.Message):
    __slots__ = ("cancelled",)
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: int
    def __init__(self, cancelled: _Optional[int] = ...) -> None: ...
