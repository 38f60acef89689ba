from expd.v1 import network_pb2 as _network_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import Any as _Any, ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApiRequest(_message.Message):
    __slots__ = ("instance", "method", "path", "query", "body", "payload_form")
    class QueryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FORM_FIELD_NUMBER: _ClassVar[int]
    instance: str
    method: str
    path: str
    query: _containers.ScalarMap[str, str]
    body: _network_pb2.Payload
    payload_form: _network_pb2.PayloadForm
    def __init__(self, instance: _Optional[str] = ..., method: _Optional[str] = ..., path: _Optional[str] = ..., query: _Optional[_Mapping[str, str]] = ..., body: _Optional[_Union[_network_pb2.Payload, _Mapping[_Any, _Any]]] = ..., payload_form: _Optional[_Union[_network_pb2.PayloadForm, str]] = ...) -> None: ...

class ApiResponse(_message.Message):
    __slots__ = ("status", "body", "raw", "content_type")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    status: int
    body: _network_pb2.Payload
    raw: bytes
    content_type: str
    def __init__(self, status: _Optional[int] = ..., body: _Optional[_Union[_network_pb2.Payload, _Mapping[_Any, _Any]]] = ..., raw: _Optional[bytes] = ..., content_type: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("instance", "path", "query", "offset")
    class QueryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    instance: str
    path: str
    query: _containers.ScalarMap[str, str]
    offset: int
    def __init__(self, instance: _Optional[str] = ..., path: _Optional[str] = ..., query: _Optional[_Mapping[str, str]] = ..., offset: _Optional[int] = ...) -> None: ...

class FetchChunk(_message.Message):
    __slots__ = ("head", "data")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    head: FetchHead
    data: bytes
    def __init__(self, head: _Optional[_Union[FetchHead, _Mapping[_Any, _Any]]] = ..., data: _Optional[bytes] = ...) -> None: ...

class FetchHead(_message.Message):
    __slots__ = ("content_type", "size", "offset", "etag")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    size: int
    offset: int
    etag: str
    def __init__(self, content_type: _Optional[str] = ..., size: _Optional[int] = ..., offset: _Optional[int] = ..., etag: _Optional[str] = ...) -> None: ...

class GetContentUrlRequest(_message.Message):
    __slots__ = ("instance", "path", "variant")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    instance: str
    path: str
    variant: str
    def __init__(self, instance: _Optional[str] = ..., path: _Optional[str] = ..., variant: _Optional[str] = ...) -> None: ...

class GetContentUrlResponse(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class GetIdentityRequest(_message.Message):
    __slots__ = ("instance",)
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    instance: str
    def __init__(self, instance: _Optional[str] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("type", "uuid", "organization", "pairing_code", "paired", "expires_at", "username", "role", "rest", "unknown")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UUID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PAIRING_CODE_FIELD_NUMBER: _ClassVar[int]
    PAIRED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    type: str
    uuid: str
    organization: str
    pairing_code: str
    paired: bool
    expires_at: _timestamp_pb2.Timestamp
    username: str
    role: str
    rest: str
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[str] = ..., uuid: _Optional[str] = ..., organization: _Optional[str] = ..., pairing_code: _Optional[str] = ..., paired: bool = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[_Any, _Any]]] = ..., username: _Optional[str] = ..., role: _Optional[str] = ..., rest: _Optional[str] = ..., unknown: _Optional[_Iterable[str]] = ...) -> None: ...
