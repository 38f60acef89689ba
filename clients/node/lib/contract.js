// Generated from the contract by scripts/generate. Not to be edited.
/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars*/
"use strict";

var $protobuf = require("protobufjs/minimal");

var $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;

var $root = {};

$root.expd = (function() {

    var expd = {};

    expd.v1 = (function() {

        var v1 = {};

        v1.Channel = (function() {

            function Channel(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Channel.prototype.name = "";
            Channel.prototype.system = false;
            Channel.prototype.consumer = false;

            Channel.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(10).string(message.name);
                if (message.system != null && Object.hasOwnProperty.call(message, "system"))
                    writer.uint32(16).bool(message.system);
                if (message.consumer != null && Object.hasOwnProperty.call(message, "consumer"))
                    writer.uint32(24).bool(message.consumer);
                return writer;
            };

            Channel.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Channel();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.name = reader.string();
                            break;
                        }
                    case 2: {
                            message.system = reader.bool();
                            break;
                        }
                    case 3: {
                            message.consumer = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Channel;
        })();

        v1.Payload = (function() {

            function Payload(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Payload.prototype.json = null;
            Payload.prototype.value = null;

            var $oneOfFields;

            Object.defineProperty(Payload.prototype, "form", {
                get: $util.oneOfGetter($oneOfFields = ["json", "value"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            Payload.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.json != null && Object.hasOwnProperty.call(message, "json"))
                    writer.uint32(10).string(message.json);
                if (message.value != null && Object.hasOwnProperty.call(message, "value"))
                    $root.google.protobuf.Value.encode(message.value, writer.uint32(18).fork(), q + 1).ldelim();
                return writer;
            };

            Payload.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Payload();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.json = reader.string();
                            break;
                        }
                    case 2: {
                            message.value = $root.google.protobuf.Value.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Payload;
        })();

        v1.PayloadForm = (function() {
            var valuesById = {}, values = Object.create(valuesById);
            values[valuesById[0] = "JSON"] = 0;
            values[valuesById[1] = "VALUE"] = 1;
            return values;
        })();

        v1.BroadcastRequest = (function() {

            function BroadcastRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            BroadcastRequest.prototype.instance = "";
            BroadcastRequest.prototype.channel = null;
            BroadcastRequest.prototype.name = "";
            BroadcastRequest.prototype.payload = null;
            BroadcastRequest.prototype.timeout = null;
            BroadcastRequest.prototype.payloadForm = 0;
            BroadcastRequest.prototype.waitForConnection = false;

            BroadcastRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(26).string(message.name);
                if (message.payload != null && Object.hasOwnProperty.call(message, "payload"))
                    $root.expd.v1.Payload.encode(message.payload, writer.uint32(34).fork(), q + 1).ldelim();
                if (message.timeout != null && Object.hasOwnProperty.call(message, "timeout"))
                    $root.google.protobuf.Duration.encode(message.timeout, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.payloadForm != null && Object.hasOwnProperty.call(message, "payloadForm"))
                    writer.uint32(48).int32(message.payloadForm);
                if (message.waitForConnection != null && Object.hasOwnProperty.call(message, "waitForConnection"))
                    writer.uint32(56).bool(message.waitForConnection);
                return writer;
            };

            BroadcastRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.BroadcastRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.name = reader.string();
                            break;
                        }
                    case 4: {
                            message.payload = $root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 5: {
                            message.timeout = $root.google.protobuf.Duration.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.payloadForm = reader.int32();
                            break;
                        }
                    case 7: {
                            message.waitForConnection = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return BroadcastRequest;
        })();

        v1.BroadcastResponse = (function() {

            function BroadcastResponse(properties) {
                this.responses = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            BroadcastResponse.prototype.responses = $util.emptyArray;

            BroadcastResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.responses != null && message.responses.length)
                    for (var i = 0; i < message.responses.length; ++i)
                        $root.expd.v1.Payload.encode(message.responses[i], writer.uint32(10).fork(), q + 1).ldelim();
                return writer;
            };

            BroadcastResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.BroadcastResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            if (!(message.responses && message.responses.length))
                                message.responses = [];
                            message.responses.push($root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return BroadcastResponse;
        })();

        v1.ListenRequest = (function() {

            function ListenRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ListenRequest.prototype.instance = "";
            ListenRequest.prototype.channel = null;
            ListenRequest.prototype.name = "";
            ListenRequest.prototype.context = "";
            ListenRequest.prototype.options = null;
            ListenRequest.prototype.payloadForm = 0;
            ListenRequest.prototype.resume = null;

            ListenRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(26).string(message.name);
                if (message.context != null && Object.hasOwnProperty.call(message, "context"))
                    writer.uint32(34).string(message.context);
                if (message.options != null && Object.hasOwnProperty.call(message, "options"))
                    $root.expd.v1.ListenerOptions.encode(message.options, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.payloadForm != null && Object.hasOwnProperty.call(message, "payloadForm"))
                    writer.uint32(48).int32(message.payloadForm);
                if (message.resume != null && Object.hasOwnProperty.call(message, "resume"))
                    $root.expd.v1.Resume.encode(message.resume, writer.uint32(58).fork(), q + 1).ldelim();
                return writer;
            };

            ListenRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ListenRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.name = reader.string();
                            break;
                        }
                    case 4: {
                            message.context = reader.string();
                            break;
                        }
                    case 5: {
                            message.options = $root.expd.v1.ListenerOptions.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.payloadForm = reader.int32();
                            break;
                        }
                    case 7: {
                            message.resume = $root.expd.v1.Resume.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ListenRequest;
        })();

        v1.ListenerOptions = (function() {

            function ListenerOptions(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ListenerOptions.prototype.maxAge = null;
            ListenerOptions.prototype.overflow = 0;

            ListenerOptions.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.maxAge != null && Object.hasOwnProperty.call(message, "maxAge"))
                    $root.google.protobuf.Duration.encode(message.maxAge, writer.uint32(10).fork(), q + 1).ldelim();
                if (message.overflow != null && Object.hasOwnProperty.call(message, "overflow"))
                    writer.uint32(16).int32(message.overflow);
                return writer;
            };

            ListenerOptions.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ListenerOptions();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.maxAge = $root.google.protobuf.Duration.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 2: {
                            message.overflow = reader.int32();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            ListenerOptions.Overflow = (function() {
                var valuesById = {}, values = Object.create(valuesById);
                values[valuesById[0] = "SKIP"] = 0;
                values[valuesById[1] = "CANCEL"] = 1;
                return values;
            })();

            return ListenerOptions;
        })();

        v1.Resume = (function() {

            function Resume(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Resume.prototype.logId = "";
            Resume.prototype.after = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            Resume.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.logId != null && Object.hasOwnProperty.call(message, "logId"))
                    writer.uint32(10).string(message.logId);
                if (message.after != null && Object.hasOwnProperty.call(message, "after"))
                    writer.uint32(16).uint64(message.after);
                return writer;
            };

            Resume.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Resume();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.logId = reader.string();
                            break;
                        }
                    case 2: {
                            message.after = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Resume;
        })();

        v1.ListenEvent = (function() {

            function ListenEvent(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ListenEvent.prototype.sequence = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            ListenEvent.prototype.subscription = null;
            ListenEvent.prototype.broadcast = null;
            ListenEvent.prototype.gap = null;

            var $oneOfFields;

            Object.defineProperty(ListenEvent.prototype, "event", {
                get: $util.oneOfGetter($oneOfFields = ["subscription", "broadcast", "gap"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            ListenEvent.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.sequence != null && Object.hasOwnProperty.call(message, "sequence"))
                    writer.uint32(8).uint64(message.sequence);
                if (message.subscription != null && Object.hasOwnProperty.call(message, "subscription"))
                    $root.expd.v1.Subscription.encode(message.subscription, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.broadcast != null && Object.hasOwnProperty.call(message, "broadcast"))
                    $root.expd.v1.Broadcast.encode(message.broadcast, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.gap != null && Object.hasOwnProperty.call(message, "gap"))
                    $root.expd.v1.Gap.encode(message.gap, writer.uint32(34).fork(), q + 1).ldelim();
                return writer;
            };

            ListenEvent.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ListenEvent();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.sequence = reader.uint64();
                            break;
                        }
                    case 2: {
                            message.subscription = $root.expd.v1.Subscription.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.broadcast = $root.expd.v1.Broadcast.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.gap = $root.expd.v1.Gap.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ListenEvent;
        })();

        v1.Subscription = (function() {

            function Subscription(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Subscription.prototype.state = 0;
            Subscription.prototype.listenerId = "";
            Subscription.prototype.channelId = "";
            Subscription.prototype.logId = "";
            Subscription.prototype.since = null;

            Subscription.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.state != null && Object.hasOwnProperty.call(message, "state"))
                    writer.uint32(8).int32(message.state);
                if (message.listenerId != null && Object.hasOwnProperty.call(message, "listenerId"))
                    writer.uint32(18).string(message.listenerId);
                if (message.channelId != null && Object.hasOwnProperty.call(message, "channelId"))
                    writer.uint32(26).string(message.channelId);
                if (message.logId != null && Object.hasOwnProperty.call(message, "logId"))
                    writer.uint32(34).string(message.logId);
                if (message.since != null && Object.hasOwnProperty.call(message, "since"))
                    $root.google.protobuf.Timestamp.encode(message.since, writer.uint32(42).fork(), q + 1).ldelim();
                return writer;
            };

            Subscription.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Subscription();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.state = reader.int32();
                            break;
                        }
                    case 2: {
                            message.listenerId = reader.string();
                            break;
                        }
                    case 3: {
                            message.channelId = reader.string();
                            break;
                        }
                    case 4: {
                            message.logId = reader.string();
                            break;
                        }
                    case 5: {
                            message.since = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            Subscription.State = (function() {
                var valuesById = {}, values = Object.create(valuesById);
                values[valuesById[0] = "STATE_UNSPECIFIED"] = 0;
                values[valuesById[1] = "PENDING"] = 1;
                values[valuesById[2] = "CONFIRMED"] = 2;
                return values;
            })();

            return Subscription;
        })();

        v1.Broadcast = (function() {

            function Broadcast(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Broadcast.prototype.id = "";
            Broadcast.prototype.name = "";
            Broadcast.prototype.channel = null;
            Broadcast.prototype.channelId = "";
            Broadcast.prototype.payload = null;
            Broadcast.prototype.receivedAt = null;

            Broadcast.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.id != null && Object.hasOwnProperty.call(message, "id"))
                    writer.uint32(10).string(message.id);
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(18).string(message.name);
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.channelId != null && Object.hasOwnProperty.call(message, "channelId"))
                    writer.uint32(34).string(message.channelId);
                if (message.payload != null && Object.hasOwnProperty.call(message, "payload"))
                    $root.expd.v1.Payload.encode(message.payload, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.receivedAt != null && Object.hasOwnProperty.call(message, "receivedAt"))
                    $root.google.protobuf.Timestamp.encode(message.receivedAt, writer.uint32(50).fork(), q + 1).ldelim();
                return writer;
            };

            Broadcast.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Broadcast();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.id = reader.string();
                            break;
                        }
                    case 2: {
                            message.name = reader.string();
                            break;
                        }
                    case 3: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.channelId = reader.string();
                            break;
                        }
                    case 5: {
                            message.payload = $root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.receivedAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Broadcast;
        })();

        v1.Gap = (function() {

            function Gap(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Gap.prototype.reason = 0;
            Gap.prototype.missed = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Gap.prototype.from = null;
            Gap.prototype.to = null;

            Gap.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.reason != null && Object.hasOwnProperty.call(message, "reason"))
                    writer.uint32(8).int32(message.reason);
                if (message.missed != null && Object.hasOwnProperty.call(message, "missed"))
                    writer.uint32(16).uint64(message.missed);
                if (message.from != null && Object.hasOwnProperty.call(message, "from"))
                    $root.google.protobuf.Timestamp.encode(message.from, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.to != null && Object.hasOwnProperty.call(message, "to"))
                    $root.google.protobuf.Timestamp.encode(message.to, writer.uint32(34).fork(), q + 1).ldelim();
                return writer;
            };

            Gap.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Gap();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.reason = reader.int32();
                            break;
                        }
                    case 2: {
                            message.missed = reader.uint64();
                            break;
                        }
                    case 3: {
                            message.from = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.to = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            Gap.Reason = (function() {
                var valuesById = {}, values = Object.create(valuesById);
                values[valuesById[0] = "REASON_UNSPECIFIED"] = 0;
                values[valuesById[1] = "OFFLINE"] = 1;
                values[valuesById[2] = "OVERFLOW"] = 2;
                values[valuesById[3] = "EXPIRED"] = 3;
                values[valuesById[4] = "RESTARTED"] = 4;
                return values;
            })();

            return Gap;
        })();

        v1.RespondRequest = (function() {

            function RespondRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            RespondRequest.prototype.instance = "";
            RespondRequest.prototype.broadcastId = "";
            RespondRequest.prototype.channelId = "";
            RespondRequest.prototype.payload = null;

            RespondRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.broadcastId != null && Object.hasOwnProperty.call(message, "broadcastId"))
                    writer.uint32(18).string(message.broadcastId);
                if (message.channelId != null && Object.hasOwnProperty.call(message, "channelId"))
                    writer.uint32(26).string(message.channelId);
                if (message.payload != null && Object.hasOwnProperty.call(message, "payload"))
                    $root.expd.v1.Payload.encode(message.payload, writer.uint32(34).fork(), q + 1).ldelim();
                return writer;
            };

            RespondRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.RespondRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.broadcastId = reader.string();
                            break;
                        }
                    case 3: {
                            message.channelId = reader.string();
                            break;
                        }
                    case 4: {
                            message.payload = $root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return RespondRequest;
        })();

        v1.RespondResponse = (function() {

            function RespondResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            RespondResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                return writer;
            };

            RespondResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.RespondResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return RespondResponse;
        })();

        v1.OpenListenerResponse = (function() {

            function OpenListenerResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            OpenListenerResponse.prototype.listenerId = "";

            OpenListenerResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.listenerId != null && Object.hasOwnProperty.call(message, "listenerId"))
                    writer.uint32(10).string(message.listenerId);
                return writer;
            };

            OpenListenerResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.OpenListenerResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.listenerId = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return OpenListenerResponse;
        })();

        v1.NextEventRequest = (function() {

            function NextEventRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            NextEventRequest.prototype.listenerId = "";
            NextEventRequest.prototype.wait = null;
            NextEventRequest.prototype.after = null;
            NextEventRequest.prototype.repeat = false;

            var $oneOfFields;

            // Virtual OneOf for proto3 optional field
            Object.defineProperty(NextEventRequest.prototype, "_after", {
                get: $util.oneOfGetter($oneOfFields = ["after"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            NextEventRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.listenerId != null && Object.hasOwnProperty.call(message, "listenerId"))
                    writer.uint32(10).string(message.listenerId);
                if (message.wait != null && Object.hasOwnProperty.call(message, "wait"))
                    $root.google.protobuf.Duration.encode(message.wait, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.after != null && Object.hasOwnProperty.call(message, "after"))
                    writer.uint32(24).uint64(message.after);
                if (message.repeat != null && Object.hasOwnProperty.call(message, "repeat"))
                    writer.uint32(32).bool(message.repeat);
                return writer;
            };

            NextEventRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.NextEventRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.listenerId = reader.string();
                            break;
                        }
                    case 2: {
                            message.wait = $root.google.protobuf.Duration.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.after = reader.uint64();
                            break;
                        }
                    case 4: {
                            message.repeat = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return NextEventRequest;
        })();

        v1.NextEventResponse = (function() {

            function NextEventResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            NextEventResponse.prototype.event = null;

            var $oneOfFields;

            // Virtual OneOf for proto3 optional field
            Object.defineProperty(NextEventResponse.prototype, "_event", {
                get: $util.oneOfGetter($oneOfFields = ["event"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            NextEventResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.event != null && Object.hasOwnProperty.call(message, "event"))
                    $root.expd.v1.ListenEvent.encode(message.event, writer.uint32(10).fork(), q + 1).ldelim();
                return writer;
            };

            NextEventResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.NextEventResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.event = $root.expd.v1.ListenEvent.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return NextEventResponse;
        })();

        v1.CancelListenerRequest = (function() {

            function CancelListenerRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            CancelListenerRequest.prototype.listenerId = "";

            CancelListenerRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.listenerId != null && Object.hasOwnProperty.call(message, "listenerId"))
                    writer.uint32(10).string(message.listenerId);
                return writer;
            };

            CancelListenerRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.CancelListenerRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.listenerId = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return CancelListenerRequest;
        })();

        v1.CancelListenerResponse = (function() {

            function CancelListenerResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            CancelListenerResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                return writer;
            };

            CancelListenerResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.CancelListenerResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return CancelListenerResponse;
        })();

        v1.ClearContextRequest = (function() {

            function ClearContextRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ClearContextRequest.prototype.context = "";

            ClearContextRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.context != null && Object.hasOwnProperty.call(message, "context"))
                    writer.uint32(10).string(message.context);
                return writer;
            };

            ClearContextRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ClearContextRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.context = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ClearContextRequest;
        })();

        v1.ClearContextResponse = (function() {

            function ClearContextResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ClearContextResponse.prototype.cancelled = 0;

            ClearContextResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.cancelled != null && Object.hasOwnProperty.call(message, "cancelled"))
                    writer.uint32(8).uint32(message.cancelled);
                return writer;
            };

            ClearContextResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ClearContextResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.cancelled = reader.uint32();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ClearContextResponse;
        })();

        v1.ApiRequest = (function() {

            function ApiRequest(properties) {
                this.query = {};
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ApiRequest.prototype.instance = "";
            ApiRequest.prototype.method = "";
            ApiRequest.prototype.path = "";
            ApiRequest.prototype.query = $util.emptyObject;
            ApiRequest.prototype.body = null;
            ApiRequest.prototype.payloadForm = 0;

            ApiRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.method != null && Object.hasOwnProperty.call(message, "method"))
                    writer.uint32(18).string(message.method);
                if (message.path != null && Object.hasOwnProperty.call(message, "path"))
                    writer.uint32(26).string(message.path);
                if (message.query != null && Object.hasOwnProperty.call(message, "query"))
                    for (var keys = Object.keys(message.query), i = 0; i < keys.length; ++i)
                        writer.uint32(34).fork().uint32(10).string(keys[i]).uint32(18).string(message.query[keys[i]]).ldelim();
                if (message.body != null && Object.hasOwnProperty.call(message, "body"))
                    $root.expd.v1.Payload.encode(message.body, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.payloadForm != null && Object.hasOwnProperty.call(message, "payloadForm"))
                    writer.uint32(48).int32(message.payloadForm);
                return writer;
            };

            ApiRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message, key, value;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ApiRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.method = reader.string();
                            break;
                        }
                    case 3: {
                            message.path = reader.string();
                            break;
                        }
                    case 4: {
                            if (message.query === $util.emptyObject)
                                message.query = {};
                            var end2 = reader.uint32() + reader.pos;
                            if (end2 > reader.len)
                                throw RangeError("index out of range");
                            reader.len = end2;
                            key = "";
                            value = "";
                            while (reader.pos < end2) {
                                var tag2 = reader.uint32();
                                switch (tag2 >>> 3) {
                                case 1:
                                    key = reader.string();
                                    break;
                                case 2:
                                    value = reader.string();
                                    break;
                                default:
                                    reader.skipType(tag2 & 7, long);
                                    break;
                                }
                            }
                            if (reader.pos !== end2)
                                throw RangeError("index out of range");
                            reader.len = end;
                            if (key === "__proto__")
                                $util.makeProp(message.query, key);
                            message.query[key] = value;
                            break;
                        }
                    case 5: {
                            message.body = $root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.payloadForm = reader.int32();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ApiRequest;
        })();

        v1.ApiResponse = (function() {

            function ApiResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ApiResponse.prototype.status = 0;
            ApiResponse.prototype.body = null;
            ApiResponse.prototype.raw = $util.newBuffer([]);
            ApiResponse.prototype.contentType = "";

            ApiResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.status != null && Object.hasOwnProperty.call(message, "status"))
                    writer.uint32(8).uint32(message.status);
                if (message.body != null && Object.hasOwnProperty.call(message, "body"))
                    $root.expd.v1.Payload.encode(message.body, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.raw != null && Object.hasOwnProperty.call(message, "raw"))
                    writer.uint32(26).bytes(message.raw);
                if (message.contentType != null && Object.hasOwnProperty.call(message, "contentType"))
                    writer.uint32(34).string(message.contentType);
                return writer;
            };

            ApiResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ApiResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.status = reader.uint32();
                            break;
                        }
                    case 2: {
                            message.body = $root.expd.v1.Payload.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.raw = reader.bytes();
                            break;
                        }
                    case 4: {
                            message.contentType = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ApiResponse;
        })();

        v1.FetchRequest = (function() {

            function FetchRequest(properties) {
                this.query = {};
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            FetchRequest.prototype.instance = "";
            FetchRequest.prototype.path = "";
            FetchRequest.prototype.query = $util.emptyObject;
            FetchRequest.prototype.offset = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            FetchRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.path != null && Object.hasOwnProperty.call(message, "path"))
                    writer.uint32(18).string(message.path);
                if (message.query != null && Object.hasOwnProperty.call(message, "query"))
                    for (var keys = Object.keys(message.query), i = 0; i < keys.length; ++i)
                        writer.uint32(26).fork().uint32(10).string(keys[i]).uint32(18).string(message.query[keys[i]]).ldelim();
                if (message.offset != null && Object.hasOwnProperty.call(message, "offset"))
                    writer.uint32(32).uint64(message.offset);
                return writer;
            };

            FetchRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message, key, value;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.FetchRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.path = reader.string();
                            break;
                        }
                    case 3: {
                            if (message.query === $util.emptyObject)
                                message.query = {};
                            var end2 = reader.uint32() + reader.pos;
                            if (end2 > reader.len)
                                throw RangeError("index out of range");
                            reader.len = end2;
                            key = "";
                            value = "";
                            while (reader.pos < end2) {
                                var tag2 = reader.uint32();
                                switch (tag2 >>> 3) {
                                case 1:
                                    key = reader.string();
                                    break;
                                case 2:
                                    value = reader.string();
                                    break;
                                default:
                                    reader.skipType(tag2 & 7, long);
                                    break;
                                }
                            }
                            if (reader.pos !== end2)
                                throw RangeError("index out of range");
                            reader.len = end;
                            if (key === "__proto__")
                                $util.makeProp(message.query, key);
                            message.query[key] = value;
                            break;
                        }
                    case 4: {
                            message.offset = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return FetchRequest;
        })();

        v1.FetchChunk = (function() {

            function FetchChunk(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            FetchChunk.prototype.head = null;
            FetchChunk.prototype.data = null;

            var $oneOfFields;

            Object.defineProperty(FetchChunk.prototype, "form", {
                get: $util.oneOfGetter($oneOfFields = ["head", "data"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            FetchChunk.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.head != null && Object.hasOwnProperty.call(message, "head"))
                    $root.expd.v1.FetchHead.encode(message.head, writer.uint32(10).fork(), q + 1).ldelim();
                if (message.data != null && Object.hasOwnProperty.call(message, "data"))
                    writer.uint32(18).bytes(message.data);
                return writer;
            };

            FetchChunk.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.FetchChunk();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.head = $root.expd.v1.FetchHead.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 2: {
                            message.data = reader.bytes();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return FetchChunk;
        })();

        v1.FetchHead = (function() {

            function FetchHead(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            FetchHead.prototype.contentType = "";
            FetchHead.prototype.size = null;
            FetchHead.prototype.offset = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            FetchHead.prototype.etag = "";

            var $oneOfFields;

            // Virtual OneOf for proto3 optional field
            Object.defineProperty(FetchHead.prototype, "_size", {
                get: $util.oneOfGetter($oneOfFields = ["size"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            FetchHead.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.contentType != null && Object.hasOwnProperty.call(message, "contentType"))
                    writer.uint32(10).string(message.contentType);
                if (message.size != null && Object.hasOwnProperty.call(message, "size"))
                    writer.uint32(16).uint64(message.size);
                if (message.offset != null && Object.hasOwnProperty.call(message, "offset"))
                    writer.uint32(24).uint64(message.offset);
                if (message.etag != null && Object.hasOwnProperty.call(message, "etag"))
                    writer.uint32(34).string(message.etag);
                return writer;
            };

            FetchHead.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.FetchHead();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.contentType = reader.string();
                            break;
                        }
                    case 2: {
                            message.size = reader.uint64();
                            break;
                        }
                    case 3: {
                            message.offset = reader.uint64();
                            break;
                        }
                    case 4: {
                            message.etag = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return FetchHead;
        })();

        v1.GetContentUrlRequest = (function() {

            function GetContentUrlRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            GetContentUrlRequest.prototype.instance = "";
            GetContentUrlRequest.prototype.path = "";
            GetContentUrlRequest.prototype.variant = "";

            GetContentUrlRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.path != null && Object.hasOwnProperty.call(message, "path"))
                    writer.uint32(18).string(message.path);
                if (message.variant != null && Object.hasOwnProperty.call(message, "variant"))
                    writer.uint32(26).string(message.variant);
                return writer;
            };

            GetContentUrlRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.GetContentUrlRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.path = reader.string();
                            break;
                        }
                    case 3: {
                            message.variant = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return GetContentUrlRequest;
        })();

        v1.GetContentUrlResponse = (function() {

            function GetContentUrlResponse(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            GetContentUrlResponse.prototype.url = "";

            GetContentUrlResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.url != null && Object.hasOwnProperty.call(message, "url"))
                    writer.uint32(10).string(message.url);
                return writer;
            };

            GetContentUrlResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.GetContentUrlResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.url = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return GetContentUrlResponse;
        })();

        v1.GetIdentityRequest = (function() {

            function GetIdentityRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            GetIdentityRequest.prototype.instance = "";

            GetIdentityRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                return writer;
            };

            GetIdentityRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.GetIdentityRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return GetIdentityRequest;
        })();

        v1.Identity = (function() {

            function Identity(properties) {
                this.unknown = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Identity.prototype.type = "";
            Identity.prototype.uuid = "";
            Identity.prototype.organization = "";
            Identity.prototype.pairingCode = "";
            Identity.prototype.paired = false;
            Identity.prototype.expiresAt = null;
            Identity.prototype.username = "";
            Identity.prototype.role = "";
            Identity.prototype.rest = "";
            Identity.prototype.unknown = $util.emptyArray;

            Identity.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.type != null && Object.hasOwnProperty.call(message, "type"))
                    writer.uint32(10).string(message.type);
                if (message.uuid != null && Object.hasOwnProperty.call(message, "uuid"))
                    writer.uint32(18).string(message.uuid);
                if (message.organization != null && Object.hasOwnProperty.call(message, "organization"))
                    writer.uint32(26).string(message.organization);
                if (message.pairingCode != null && Object.hasOwnProperty.call(message, "pairingCode"))
                    writer.uint32(34).string(message.pairingCode);
                if (message.paired != null && Object.hasOwnProperty.call(message, "paired"))
                    writer.uint32(40).bool(message.paired);
                if (message.expiresAt != null && Object.hasOwnProperty.call(message, "expiresAt"))
                    $root.google.protobuf.Timestamp.encode(message.expiresAt, writer.uint32(50).fork(), q + 1).ldelim();
                if (message.username != null && Object.hasOwnProperty.call(message, "username"))
                    writer.uint32(58).string(message.username);
                if (message.role != null && Object.hasOwnProperty.call(message, "role"))
                    writer.uint32(66).string(message.role);
                if (message.rest != null && Object.hasOwnProperty.call(message, "rest"))
                    writer.uint32(74).string(message.rest);
                if (message.unknown != null && message.unknown.length)
                    for (var i = 0; i < message.unknown.length; ++i)
                        writer.uint32(82).string(message.unknown[i]);
                return writer;
            };

            Identity.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Identity();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.type = reader.string();
                            break;
                        }
                    case 2: {
                            message.uuid = reader.string();
                            break;
                        }
                    case 3: {
                            message.organization = reader.string();
                            break;
                        }
                    case 4: {
                            message.pairingCode = reader.string();
                            break;
                        }
                    case 5: {
                            message.paired = reader.bool();
                            break;
                        }
                    case 6: {
                            message.expiresAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 7: {
                            message.username = reader.string();
                            break;
                        }
                    case 8: {
                            message.role = reader.string();
                            break;
                        }
                    case 9: {
                            message.rest = reader.string();
                            break;
                        }
                    case 10: {
                            if (!(message.unknown && message.unknown.length))
                                message.unknown = [];
                            message.unknown.push(reader.string());
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Identity;
        })();

        v1.ReloadRequest = (function() {

            function ReloadRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ReloadRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                return writer;
            };

            ReloadRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ReloadRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ReloadRequest;
        })();

        v1.ReloadResponse = (function() {

            function ReloadResponse(properties) {
                this.needsRestart = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ReloadResponse.prototype.needsRestart = $util.emptyArray;

            ReloadResponse.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.needsRestart != null && message.needsRestart.length)
                    for (var i = 0; i < message.needsRestart.length; ++i)
                        writer.uint32(10).string(message.needsRestart[i]);
                return writer;
            };

            ReloadResponse.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ReloadResponse();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            if (!(message.needsRestart && message.needsRestart.length))
                                message.needsRestart = [];
                            message.needsRestart.push(reader.string());
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ReloadResponse;
        })();

        v1.ExplainRequest = (function() {

            function ExplainRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ExplainRequest.prototype.verb = "";
            ExplainRequest.prototype.instance = "";
            ExplainRequest.prototype.channel = null;
            ExplainRequest.prototype.path = "";
            ExplainRequest.prototype.pid = null;
            ExplainRequest.prototype.uid = null;
            ExplainRequest.prototype.token = null;
            ExplainRequest.prototype.app = null;
            ExplainRequest.prototype.name = "";
            ExplainRequest.prototype.method = "";

            var $oneOfFields;

            Object.defineProperty(ExplainRequest.prototype, "caller", {
                get: $util.oneOfGetter($oneOfFields = ["pid", "uid", "token", "app"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            ExplainRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.verb != null && Object.hasOwnProperty.call(message, "verb"))
                    writer.uint32(10).string(message.verb);
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(18).string(message.instance);
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.path != null && Object.hasOwnProperty.call(message, "path"))
                    writer.uint32(34).string(message.path);
                if (message.pid != null && Object.hasOwnProperty.call(message, "pid"))
                    writer.uint32(40).uint32(message.pid);
                if (message.uid != null && Object.hasOwnProperty.call(message, "uid"))
                    writer.uint32(48).uint32(message.uid);
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(58).string(message.name);
                if (message.method != null && Object.hasOwnProperty.call(message, "method"))
                    writer.uint32(66).string(message.method);
                if (message.token != null && Object.hasOwnProperty.call(message, "token"))
                    writer.uint32(74).string(message.token);
                if (message.app != null && Object.hasOwnProperty.call(message, "app"))
                    writer.uint32(82).string(message.app);
                return writer;
            };

            ExplainRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ExplainRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.verb = reader.string();
                            break;
                        }
                    case 2: {
                            message.instance = reader.string();
                            break;
                        }
                    case 3: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.path = reader.string();
                            break;
                        }
                    case 5: {
                            message.pid = reader.uint32();
                            break;
                        }
                    case 6: {
                            message.uid = reader.uint32();
                            break;
                        }
                    case 9: {
                            message.token = reader.string();
                            break;
                        }
                    case 10: {
                            message.app = reader.string();
                            break;
                        }
                    case 7: {
                            message.name = reader.string();
                            break;
                        }
                    case 8: {
                            message.method = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ExplainRequest;
        })();

        v1.Explanation = (function() {

            function Explanation(properties) {
                this.rules = [];
                this.missed = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Explanation.prototype.allowed = false;
            Explanation.prototype.caller = "";
            Explanation.prototype.reason = "";
            Explanation.prototype.rules = $util.emptyArray;
            Explanation.prototype.missed = $util.emptyArray;

            Explanation.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.allowed != null && Object.hasOwnProperty.call(message, "allowed"))
                    writer.uint32(8).bool(message.allowed);
                if (message.caller != null && Object.hasOwnProperty.call(message, "caller"))
                    writer.uint32(18).string(message.caller);
                if (message.reason != null && Object.hasOwnProperty.call(message, "reason"))
                    writer.uint32(26).string(message.reason);
                if (message.rules != null && message.rules.length)
                    for (var i = 0; i < message.rules.length; ++i)
                        $root.expd.v1.DecidingRule.encode(message.rules[i], writer.uint32(34).fork(), q + 1).ldelim();
                if (message.missed != null && message.missed.length)
                    for (var i = 0; i < message.missed.length; ++i)
                        $root.expd.v1.MissedRule.encode(message.missed[i], writer.uint32(42).fork(), q + 1).ldelim();
                return writer;
            };

            Explanation.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Explanation();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.allowed = reader.bool();
                            break;
                        }
                    case 2: {
                            message.caller = reader.string();
                            break;
                        }
                    case 3: {
                            message.reason = reader.string();
                            break;
                        }
                    case 4: {
                            if (!(message.rules && message.rules.length))
                                message.rules = [];
                            message.rules.push($root.expd.v1.DecidingRule.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 5: {
                            if (!(message.missed && message.missed.length))
                                message.missed = [];
                            message.missed.push($root.expd.v1.MissedRule.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Explanation;
        })();

        v1.DecidingRule = (function() {

            function DecidingRule(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            DecidingRule.prototype.rule = "";
            DecidingRule.prototype.verb = "";
            DecidingRule.prototype.text = "";

            DecidingRule.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.rule != null && Object.hasOwnProperty.call(message, "rule"))
                    writer.uint32(10).string(message.rule);
                if (message.verb != null && Object.hasOwnProperty.call(message, "verb"))
                    writer.uint32(18).string(message.verb);
                if (message.text != null && Object.hasOwnProperty.call(message, "text"))
                    writer.uint32(26).string(message.text);
                return writer;
            };

            DecidingRule.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.DecidingRule();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.rule = reader.string();
                            break;
                        }
                    case 2: {
                            message.verb = reader.string();
                            break;
                        }
                    case 3: {
                            message.text = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return DecidingRule;
        })();

        v1.MissedRule = (function() {

            function MissedRule(properties) {
                this.conditions = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            MissedRule.prototype.rule = "";
            MissedRule.prototype.text = "";
            MissedRule.prototype.conditions = $util.emptyArray;
            MissedRule.prototype.forCaller = false;

            MissedRule.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.rule != null && Object.hasOwnProperty.call(message, "rule"))
                    writer.uint32(10).string(message.rule);
                if (message.text != null && Object.hasOwnProperty.call(message, "text"))
                    writer.uint32(18).string(message.text);
                if (message.conditions != null && message.conditions.length)
                    for (var i = 0; i < message.conditions.length; ++i)
                        writer.uint32(26).string(message.conditions[i]);
                if (message.forCaller != null && Object.hasOwnProperty.call(message, "forCaller"))
                    writer.uint32(32).bool(message.forCaller);
                return writer;
            };

            MissedRule.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.MissedRule();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.rule = reader.string();
                            break;
                        }
                    case 2: {
                            message.text = reader.string();
                            break;
                        }
                    case 3: {
                            if (!(message.conditions && message.conditions.length))
                                message.conditions = [];
                            message.conditions.push(reader.string());
                            break;
                        }
                    case 4: {
                            message.forCaller = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return MissedRule;
        })();

        v1.RunInstanceRequest = (function() {

            function RunInstanceRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            RunInstanceRequest.prototype.name = "";
            RunInstanceRequest.prototype.host = "";
            RunInstanceRequest.prototype.credentials = null;
            RunInstanceRequest.prototype.network = null;

            var $oneOfFields;

            // Virtual OneOf for proto3 optional field
            Object.defineProperty(RunInstanceRequest.prototype, "_network", {
                get: $util.oneOfGetter($oneOfFields = ["network"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            RunInstanceRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(10).string(message.name);
                if (message.host != null && Object.hasOwnProperty.call(message, "host"))
                    writer.uint32(18).string(message.host);
                if (message.credentials != null && Object.hasOwnProperty.call(message, "credentials"))
                    $root.expd.v1.Credentials.encode(message.credentials, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.network != null && Object.hasOwnProperty.call(message, "network"))
                    writer.uint32(32).bool(message.network);
                return writer;
            };

            RunInstanceRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.RunInstanceRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.name = reader.string();
                            break;
                        }
                    case 2: {
                            message.host = reader.string();
                            break;
                        }
                    case 3: {
                            message.credentials = $root.expd.v1.Credentials.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.network = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return RunInstanceRequest;
        })();

        v1.Credentials = (function() {

            function Credentials(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Credentials.prototype.device = null;
            Credentials.prototype.user = null;
            Credentials.prototype.consumerApp = null;

            var $oneOfFields;

            Object.defineProperty(Credentials.prototype, "kind", {
                get: $util.oneOfGetter($oneOfFields = ["device", "user", "consumerApp"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            Credentials.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.device != null && Object.hasOwnProperty.call(message, "device"))
                    $root.expd.v1.DeviceCredentials.encode(message.device, writer.uint32(10).fork(), q + 1).ldelim();
                if (message.user != null && Object.hasOwnProperty.call(message, "user"))
                    $root.expd.v1.UserCredentials.encode(message.user, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.consumerApp != null && Object.hasOwnProperty.call(message, "consumerApp"))
                    $root.expd.v1.ConsumerAppCredentials.encode(message.consumerApp, writer.uint32(26).fork(), q + 1).ldelim();
                return writer;
            };

            Credentials.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Credentials();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.device = $root.expd.v1.DeviceCredentials.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 2: {
                            message.user = $root.expd.v1.UserCredentials.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.consumerApp = $root.expd.v1.ConsumerAppCredentials.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Credentials;
        })();

        v1.DeviceCredentials = (function() {

            function DeviceCredentials(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            DeviceCredentials.prototype.uuid = "";
            DeviceCredentials.prototype.secret = "";
            DeviceCredentials.prototype.allowPairing = false;

            DeviceCredentials.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.uuid != null && Object.hasOwnProperty.call(message, "uuid"))
                    writer.uint32(10).string(message.uuid);
                if (message.secret != null && Object.hasOwnProperty.call(message, "secret"))
                    writer.uint32(18).string(message.secret);
                if (message.allowPairing != null && Object.hasOwnProperty.call(message, "allowPairing"))
                    writer.uint32(24).bool(message.allowPairing);
                return writer;
            };

            DeviceCredentials.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.DeviceCredentials();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.uuid = reader.string();
                            break;
                        }
                    case 2: {
                            message.secret = reader.string();
                            break;
                        }
                    case 3: {
                            message.allowPairing = reader.bool();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return DeviceCredentials;
        })();

        v1.UserCredentials = (function() {

            function UserCredentials(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            UserCredentials.prototype.username = "";
            UserCredentials.prototype.password = "";
            UserCredentials.prototype.organization = "";

            UserCredentials.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.username != null && Object.hasOwnProperty.call(message, "username"))
                    writer.uint32(10).string(message.username);
                if (message.password != null && Object.hasOwnProperty.call(message, "password"))
                    writer.uint32(18).string(message.password);
                if (message.organization != null && Object.hasOwnProperty.call(message, "organization"))
                    writer.uint32(26).string(message.organization);
                return writer;
            };

            UserCredentials.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.UserCredentials();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.username = reader.string();
                            break;
                        }
                    case 2: {
                            message.password = reader.string();
                            break;
                        }
                    case 3: {
                            message.organization = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return UserCredentials;
        })();

        v1.ConsumerAppCredentials = (function() {

            function ConsumerAppCredentials(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ConsumerAppCredentials.prototype.uuid = "";
            ConsumerAppCredentials.prototype.apiKey = "";

            ConsumerAppCredentials.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.uuid != null && Object.hasOwnProperty.call(message, "uuid"))
                    writer.uint32(10).string(message.uuid);
                if (message.apiKey != null && Object.hasOwnProperty.call(message, "apiKey"))
                    writer.uint32(18).string(message.apiKey);
                return writer;
            };

            ConsumerAppCredentials.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ConsumerAppCredentials();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.uuid = reader.string();
                            break;
                        }
                    case 2: {
                            message.apiKey = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ConsumerAppCredentials;
        })();

        v1.GetStatusRequest = (function() {

            function GetStatusRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            GetStatusRequest.prototype.pageSize = 0;
            GetStatusRequest.prototype.pageToken = "";

            GetStatusRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.pageSize != null && Object.hasOwnProperty.call(message, "pageSize"))
                    writer.uint32(8).uint32(message.pageSize);
                if (message.pageToken != null && Object.hasOwnProperty.call(message, "pageToken"))
                    writer.uint32(18).string(message.pageToken);
                return writer;
            };

            GetStatusRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.GetStatusRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.pageSize = reader.uint32();
                            break;
                        }
                    case 2: {
                            message.pageToken = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return GetStatusRequest;
        })();

        v1.WatchStatusRequest = (function() {

            function WatchStatusRequest(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            WatchStatusRequest.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                return writer;
            };

            WatchStatusRequest.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.WatchStatusRequest();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return WatchStatusRequest;
        })();

        v1.Status = (function() {

            function Status(properties) {
                this.instances = [];
                this.settingsMistakes = [];
                this.webPages = [];
                this.webApps = [];
                this.limitHits = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Status.prototype.version = "";
            Status.prototype.startedAt = null;
            Status.prototype.instances = $util.emptyArray;
            Status.prototype.nextPageToken = "";
            Status.prototype.settingsMistakes = $util.emptyArray;
            Status.prototype.webPages = $util.emptyArray;
            Status.prototype.webApps = $util.emptyArray;
            Status.prototype.limitHits = $util.emptyArray;

            Status.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.version != null && Object.hasOwnProperty.call(message, "version"))
                    writer.uint32(10).string(message.version);
                if (message.startedAt != null && Object.hasOwnProperty.call(message, "startedAt"))
                    $root.google.protobuf.Timestamp.encode(message.startedAt, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.instances != null && message.instances.length)
                    for (var i = 0; i < message.instances.length; ++i)
                        $root.expd.v1.InstanceStatus.encode(message.instances[i], writer.uint32(26).fork(), q + 1).ldelim();
                if (message.nextPageToken != null && Object.hasOwnProperty.call(message, "nextPageToken"))
                    writer.uint32(34).string(message.nextPageToken);
                if (message.settingsMistakes != null && message.settingsMistakes.length)
                    for (var i = 0; i < message.settingsMistakes.length; ++i)
                        writer.uint32(42).string(message.settingsMistakes[i]);
                if (message.webPages != null && message.webPages.length)
                    for (var i = 0; i < message.webPages.length; ++i)
                        $root.expd.v1.WebPageStatus.encode(message.webPages[i], writer.uint32(50).fork(), q + 1).ldelim();
                if (message.webApps != null && message.webApps.length)
                    for (var i = 0; i < message.webApps.length; ++i)
                        $root.expd.v1.WebAppStatus.encode(message.webApps[i], writer.uint32(58).fork(), q + 1).ldelim();
                if (message.limitHits != null && message.limitHits.length)
                    for (var i = 0; i < message.limitHits.length; ++i)
                        $root.expd.v1.LimitHit.encode(message.limitHits[i], writer.uint32(66).fork(), q + 1).ldelim();
                return writer;
            };

            Status.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Status();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.version = reader.string();
                            break;
                        }
                    case 2: {
                            message.startedAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            if (!(message.instances && message.instances.length))
                                message.instances = [];
                            message.instances.push($root.expd.v1.InstanceStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 4: {
                            message.nextPageToken = reader.string();
                            break;
                        }
                    case 5: {
                            if (!(message.settingsMistakes && message.settingsMistakes.length))
                                message.settingsMistakes = [];
                            message.settingsMistakes.push(reader.string());
                            break;
                        }
                    case 6: {
                            if (!(message.webPages && message.webPages.length))
                                message.webPages = [];
                            message.webPages.push($root.expd.v1.WebPageStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 7: {
                            if (!(message.webApps && message.webApps.length))
                                message.webApps = [];
                            message.webApps.push($root.expd.v1.WebAppStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 8: {
                            if (!(message.limitHits && message.limitHits.length))
                                message.limitHits = [];
                            message.limitHits.push($root.expd.v1.LimitHit.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Status;
        })();

        v1.LimitHit = (function() {

            function LimitHit(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            LimitHit.prototype.limit = "";
            LimitHit.prototype.user = "";
            LimitHit.prototype.pid = 0;
            LimitHit.prototype.uid = 0;
            LimitHit.prototype.count = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            LimitHit.prototype.lastAt = null;

            LimitHit.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.limit != null && Object.hasOwnProperty.call(message, "limit"))
                    writer.uint32(10).string(message.limit);
                if (message.user != null && Object.hasOwnProperty.call(message, "user"))
                    writer.uint32(18).string(message.user);
                if (message.pid != null && Object.hasOwnProperty.call(message, "pid"))
                    writer.uint32(24).uint32(message.pid);
                if (message.uid != null && Object.hasOwnProperty.call(message, "uid"))
                    writer.uint32(32).uint32(message.uid);
                if (message.count != null && Object.hasOwnProperty.call(message, "count"))
                    writer.uint32(40).uint64(message.count);
                if (message.lastAt != null && Object.hasOwnProperty.call(message, "lastAt"))
                    $root.google.protobuf.Timestamp.encode(message.lastAt, writer.uint32(50).fork(), q + 1).ldelim();
                return writer;
            };

            LimitHit.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.LimitHit();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.limit = reader.string();
                            break;
                        }
                    case 2: {
                            message.user = reader.string();
                            break;
                        }
                    case 3: {
                            message.pid = reader.uint32();
                            break;
                        }
                    case 4: {
                            message.uid = reader.uint32();
                            break;
                        }
                    case 5: {
                            message.count = reader.uint64();
                            break;
                        }
                    case 6: {
                            message.lastAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return LimitHit;
        })();

        v1.WebPageStatus = (function() {

            function WebPageStatus(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            WebPageStatus.prototype.app = "";
            WebPageStatus.prototype.origin = "";
            WebPageStatus.prototype.instance = "";
            WebPageStatus.prototype.since = null;
            WebPageStatus.prototype.protocol = 0;
            WebPageStatus.prototype.websocket = false;
            WebPageStatus.prototype.channels = 0;
            WebPageStatus.prototype.behind = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebPageStatus.prototype.delivered = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            WebPageStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.app != null && Object.hasOwnProperty.call(message, "app"))
                    writer.uint32(10).string(message.app);
                if (message.origin != null && Object.hasOwnProperty.call(message, "origin"))
                    writer.uint32(18).string(message.origin);
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(26).string(message.instance);
                if (message.since != null && Object.hasOwnProperty.call(message, "since"))
                    $root.google.protobuf.Timestamp.encode(message.since, writer.uint32(34).fork(), q + 1).ldelim();
                if (message.protocol != null && Object.hasOwnProperty.call(message, "protocol"))
                    writer.uint32(40).uint32(message.protocol);
                if (message.websocket != null && Object.hasOwnProperty.call(message, "websocket"))
                    writer.uint32(48).bool(message.websocket);
                if (message.channels != null && Object.hasOwnProperty.call(message, "channels"))
                    writer.uint32(56).uint32(message.channels);
                if (message.behind != null && Object.hasOwnProperty.call(message, "behind"))
                    writer.uint32(64).uint64(message.behind);
                if (message.delivered != null && Object.hasOwnProperty.call(message, "delivered"))
                    writer.uint32(72).uint64(message.delivered);
                return writer;
            };

            WebPageStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.WebPageStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.app = reader.string();
                            break;
                        }
                    case 2: {
                            message.origin = reader.string();
                            break;
                        }
                    case 3: {
                            message.instance = reader.string();
                            break;
                        }
                    case 4: {
                            message.since = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 5: {
                            message.protocol = reader.uint32();
                            break;
                        }
                    case 6: {
                            message.websocket = reader.bool();
                            break;
                        }
                    case 7: {
                            message.channels = reader.uint32();
                            break;
                        }
                    case 8: {
                            message.behind = reader.uint64();
                            break;
                        }
                    case 9: {
                            message.delivered = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return WebPageStatus;
        })();

        v1.WebAppStatus = (function() {

            function WebAppStatus(properties) {
                this.origins = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            WebAppStatus.prototype.app = "";
            WebAppStatus.prototype.instance = "";
            WebAppStatus.prototype.opened = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebAppStatus.prototype.delivered = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebAppStatus.prototype.cut = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebAppStatus.prototype.refused = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebAppStatus.prototype.origins = $util.emptyArray;

            WebAppStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.app != null && Object.hasOwnProperty.call(message, "app"))
                    writer.uint32(10).string(message.app);
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(18).string(message.instance);
                if (message.opened != null && Object.hasOwnProperty.call(message, "opened"))
                    writer.uint32(24).uint64(message.opened);
                if (message.delivered != null && Object.hasOwnProperty.call(message, "delivered"))
                    writer.uint32(32).uint64(message.delivered);
                if (message.cut != null && Object.hasOwnProperty.call(message, "cut"))
                    writer.uint32(40).uint64(message.cut);
                if (message.refused != null && Object.hasOwnProperty.call(message, "refused"))
                    writer.uint32(48).uint64(message.refused);
                if (message.origins != null && message.origins.length)
                    for (var i = 0; i < message.origins.length; ++i)
                        $root.expd.v1.WebOriginStatus.encode(message.origins[i], writer.uint32(58).fork(), q + 1).ldelim();
                return writer;
            };

            WebAppStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.WebAppStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.app = reader.string();
                            break;
                        }
                    case 2: {
                            message.instance = reader.string();
                            break;
                        }
                    case 3: {
                            message.opened = reader.uint64();
                            break;
                        }
                    case 4: {
                            message.delivered = reader.uint64();
                            break;
                        }
                    case 5: {
                            message.cut = reader.uint64();
                            break;
                        }
                    case 6: {
                            message.refused = reader.uint64();
                            break;
                        }
                    case 7: {
                            if (!(message.origins && message.origins.length))
                                message.origins = [];
                            message.origins.push($root.expd.v1.WebOriginStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return WebAppStatus;
        })();

        v1.WebOriginStatus = (function() {

            function WebOriginStatus(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            WebOriginStatus.prototype.origin = "";
            WebOriginStatus.prototype.opened = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebOriginStatus.prototype.delivered = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebOriginStatus.prototype.cut = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            WebOriginStatus.prototype.refused = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            WebOriginStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.origin != null && Object.hasOwnProperty.call(message, "origin"))
                    writer.uint32(10).string(message.origin);
                if (message.opened != null && Object.hasOwnProperty.call(message, "opened"))
                    writer.uint32(16).uint64(message.opened);
                if (message.delivered != null && Object.hasOwnProperty.call(message, "delivered"))
                    writer.uint32(24).uint64(message.delivered);
                if (message.cut != null && Object.hasOwnProperty.call(message, "cut"))
                    writer.uint32(32).uint64(message.cut);
                if (message.refused != null && Object.hasOwnProperty.call(message, "refused"))
                    writer.uint32(40).uint64(message.refused);
                return writer;
            };

            WebOriginStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.WebOriginStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.origin = reader.string();
                            break;
                        }
                    case 2: {
                            message.opened = reader.uint64();
                            break;
                        }
                    case 3: {
                            message.delivered = reader.uint64();
                            break;
                        }
                    case 4: {
                            message.cut = reader.uint64();
                            break;
                        }
                    case 5: {
                            message.refused = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return WebOriginStatus;
        })();

        v1.LinkEvent = (function() {

            function LinkEvent(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            LinkEvent.prototype.instance = "";
            LinkEvent.prototype.state = 0;
            LinkEvent.prototype.since = null;
            LinkEvent.prototype.reason = "";

            LinkEvent.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.state != null && Object.hasOwnProperty.call(message, "state"))
                    writer.uint32(16).int32(message.state);
                if (message.since != null && Object.hasOwnProperty.call(message, "since"))
                    $root.google.protobuf.Timestamp.encode(message.since, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.reason != null && Object.hasOwnProperty.call(message, "reason"))
                    writer.uint32(34).string(message.reason);
                return writer;
            };

            LinkEvent.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.LinkEvent();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.state = reader.int32();
                            break;
                        }
                    case 3: {
                            message.since = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.reason = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            LinkEvent.State = (function() {
                var valuesById = {}, values = Object.create(valuesById);
                values[valuesById[0] = "STATE_UNSPECIFIED"] = 0;
                values[valuesById[1] = "CONNECTING"] = 1;
                values[valuesById[2] = "ONLINE"] = 2;
                values[valuesById[3] = "OFFLINE"] = 3;
                values[valuesById[4] = "REFUSED"] = 4;
                values[valuesById[5] = "PAIRING"] = 5;
                return values;
            })();

            return LinkEvent;
        })();

        v1.InstanceStatus = (function() {

            function InstanceStatus(properties) {
                this.channels = [];
                this.listeners = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            InstanceStatus.prototype.instance = "";
            InstanceStatus.prototype.host = "";
            InstanceStatus.prototype.identity = null;
            InstanceStatus.prototype.link = null;
            InstanceStatus.prototype.channels = $util.emptyArray;
            InstanceStatus.prototype.listeners = $util.emptyArray;
            InstanceStatus.prototype.counters = null;
            InstanceStatus.prototype.waitingBroadcasts = 0;
            InstanceStatus.prototype.transient = false;
            InstanceStatus.prototype.unsavedCredentials = "";

            InstanceStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.instance != null && Object.hasOwnProperty.call(message, "instance"))
                    writer.uint32(10).string(message.instance);
                if (message.host != null && Object.hasOwnProperty.call(message, "host"))
                    writer.uint32(18).string(message.host);
                if (message.identity != null && Object.hasOwnProperty.call(message, "identity"))
                    $root.expd.v1.Identity.encode(message.identity, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.link != null && Object.hasOwnProperty.call(message, "link"))
                    $root.expd.v1.LinkStatus.encode(message.link, writer.uint32(34).fork(), q + 1).ldelim();
                if (message.channels != null && message.channels.length)
                    for (var i = 0; i < message.channels.length; ++i)
                        $root.expd.v1.ChannelStatus.encode(message.channels[i], writer.uint32(42).fork(), q + 1).ldelim();
                if (message.listeners != null && message.listeners.length)
                    for (var i = 0; i < message.listeners.length; ++i)
                        $root.expd.v1.ListenerStatus.encode(message.listeners[i], writer.uint32(50).fork(), q + 1).ldelim();
                if (message.counters != null && Object.hasOwnProperty.call(message, "counters"))
                    $root.expd.v1.Counters.encode(message.counters, writer.uint32(58).fork(), q + 1).ldelim();
                if (message.waitingBroadcasts != null && Object.hasOwnProperty.call(message, "waitingBroadcasts"))
                    writer.uint32(64).uint32(message.waitingBroadcasts);
                if (message.transient != null && Object.hasOwnProperty.call(message, "transient"))
                    writer.uint32(72).bool(message.transient);
                if (message.unsavedCredentials != null && Object.hasOwnProperty.call(message, "unsavedCredentials"))
                    writer.uint32(82).string(message.unsavedCredentials);
                return writer;
            };

            InstanceStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.InstanceStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.instance = reader.string();
                            break;
                        }
                    case 2: {
                            message.host = reader.string();
                            break;
                        }
                    case 3: {
                            message.identity = $root.expd.v1.Identity.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.link = $root.expd.v1.LinkStatus.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 5: {
                            if (!(message.channels && message.channels.length))
                                message.channels = [];
                            message.channels.push($root.expd.v1.ChannelStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 6: {
                            if (!(message.listeners && message.listeners.length))
                                message.listeners = [];
                            message.listeners.push($root.expd.v1.ListenerStatus.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    case 7: {
                            message.counters = $root.expd.v1.Counters.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 8: {
                            message.waitingBroadcasts = reader.uint32();
                            break;
                        }
                    case 9: {
                            message.transient = reader.bool();
                            break;
                        }
                    case 10: {
                            message.unsavedCredentials = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return InstanceStatus;
        })();

        v1.LinkStatus = (function() {

            function LinkStatus(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            LinkStatus.prototype.state = 0;
            LinkStatus.prototype.since = null;
            LinkStatus.prototype.attempt = 0;
            LinkStatus.prototype.lastError = "";
            LinkStatus.prototype.nextTry = null;
            LinkStatus.prototype.protocol = 0;
            LinkStatus.prototype.tokenExpiresAt = null;

            LinkStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.state != null && Object.hasOwnProperty.call(message, "state"))
                    writer.uint32(8).int32(message.state);
                if (message.since != null && Object.hasOwnProperty.call(message, "since"))
                    $root.google.protobuf.Timestamp.encode(message.since, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.attempt != null && Object.hasOwnProperty.call(message, "attempt"))
                    writer.uint32(24).uint32(message.attempt);
                if (message.lastError != null && Object.hasOwnProperty.call(message, "lastError"))
                    writer.uint32(34).string(message.lastError);
                if (message.nextTry != null && Object.hasOwnProperty.call(message, "nextTry"))
                    $root.google.protobuf.Timestamp.encode(message.nextTry, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.protocol != null && Object.hasOwnProperty.call(message, "protocol"))
                    writer.uint32(48).uint32(message.protocol);
                if (message.tokenExpiresAt != null && Object.hasOwnProperty.call(message, "tokenExpiresAt"))
                    $root.google.protobuf.Timestamp.encode(message.tokenExpiresAt, writer.uint32(58).fork(), q + 1).ldelim();
                return writer;
            };

            LinkStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.LinkStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.state = reader.int32();
                            break;
                        }
                    case 2: {
                            message.since = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.attempt = reader.uint32();
                            break;
                        }
                    case 4: {
                            message.lastError = reader.string();
                            break;
                        }
                    case 5: {
                            message.nextTry = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.protocol = reader.uint32();
                            break;
                        }
                    case 7: {
                            message.tokenExpiresAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return LinkStatus;
        })();

        v1.ChannelStatus = (function() {

            function ChannelStatus(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ChannelStatus.prototype.channel = null;
            ChannelStatus.prototype.channelId = "";
            ChannelStatus.prototype.wantedSince = null;
            ChannelStatus.prototype.askedAt = null;
            ChannelStatus.prototype.confirmedAt = null;
            ChannelStatus.prototype.lastBroadcastAt = null;
            ChannelStatus.prototype.listeners = 0;
            ChannelStatus.prototype.logEvents = 0;
            ChannelStatus.prototype.logBytes = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            ChannelStatus.prototype.logSequence = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            ChannelStatus.prototype.refusal = "";

            ChannelStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(10).fork(), q + 1).ldelim();
                if (message.channelId != null && Object.hasOwnProperty.call(message, "channelId"))
                    writer.uint32(18).string(message.channelId);
                if (message.wantedSince != null && Object.hasOwnProperty.call(message, "wantedSince"))
                    $root.google.protobuf.Timestamp.encode(message.wantedSince, writer.uint32(26).fork(), q + 1).ldelim();
                if (message.askedAt != null && Object.hasOwnProperty.call(message, "askedAt"))
                    $root.google.protobuf.Timestamp.encode(message.askedAt, writer.uint32(34).fork(), q + 1).ldelim();
                if (message.confirmedAt != null && Object.hasOwnProperty.call(message, "confirmedAt"))
                    $root.google.protobuf.Timestamp.encode(message.confirmedAt, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.lastBroadcastAt != null && Object.hasOwnProperty.call(message, "lastBroadcastAt"))
                    $root.google.protobuf.Timestamp.encode(message.lastBroadcastAt, writer.uint32(50).fork(), q + 1).ldelim();
                if (message.listeners != null && Object.hasOwnProperty.call(message, "listeners"))
                    writer.uint32(56).uint32(message.listeners);
                if (message.logEvents != null && Object.hasOwnProperty.call(message, "logEvents"))
                    writer.uint32(64).uint32(message.logEvents);
                if (message.logBytes != null && Object.hasOwnProperty.call(message, "logBytes"))
                    writer.uint32(72).uint64(message.logBytes);
                if (message.logSequence != null && Object.hasOwnProperty.call(message, "logSequence"))
                    writer.uint32(80).uint64(message.logSequence);
                if (message.refusal != null && Object.hasOwnProperty.call(message, "refusal"))
                    writer.uint32(90).string(message.refusal);
                return writer;
            };

            ChannelStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ChannelStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 2: {
                            message.channelId = reader.string();
                            break;
                        }
                    case 3: {
                            message.wantedSince = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 4: {
                            message.askedAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 5: {
                            message.confirmedAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.lastBroadcastAt = $root.google.protobuf.Timestamp.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 7: {
                            message.listeners = reader.uint32();
                            break;
                        }
                    case 8: {
                            message.logEvents = reader.uint32();
                            break;
                        }
                    case 9: {
                            message.logBytes = reader.uint64();
                            break;
                        }
                    case 10: {
                            message.logSequence = reader.uint64();
                            break;
                        }
                    case 11: {
                            message.refusal = reader.string();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ChannelStatus;
        })();

        v1.ListenerStatus = (function() {

            function ListenerStatus(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ListenerStatus.prototype.id = "";
            ListenerStatus.prototype.channel = null;
            ListenerStatus.prototype.name = "";
            ListenerStatus.prototype.context = "";
            ListenerStatus.prototype.pid = 0;
            ListenerStatus.prototype.uid = 0;
            ListenerStatus.prototype.behind = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            ListenerStatus.prototype.delivered = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            ListenerStatus.prototype.missed = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            ListenerStatus.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.id != null && Object.hasOwnProperty.call(message, "id"))
                    writer.uint32(10).string(message.id);
                if (message.channel != null && Object.hasOwnProperty.call(message, "channel"))
                    $root.expd.v1.Channel.encode(message.channel, writer.uint32(18).fork(), q + 1).ldelim();
                if (message.name != null && Object.hasOwnProperty.call(message, "name"))
                    writer.uint32(26).string(message.name);
                if (message.context != null && Object.hasOwnProperty.call(message, "context"))
                    writer.uint32(34).string(message.context);
                if (message.pid != null && Object.hasOwnProperty.call(message, "pid"))
                    writer.uint32(40).uint32(message.pid);
                if (message.uid != null && Object.hasOwnProperty.call(message, "uid"))
                    writer.uint32(48).uint32(message.uid);
                if (message.behind != null && Object.hasOwnProperty.call(message, "behind"))
                    writer.uint32(56).uint64(message.behind);
                if (message.delivered != null && Object.hasOwnProperty.call(message, "delivered"))
                    writer.uint32(64).uint64(message.delivered);
                if (message.missed != null && Object.hasOwnProperty.call(message, "missed"))
                    writer.uint32(72).uint64(message.missed);
                return writer;
            };

            ListenerStatus.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.ListenerStatus();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.id = reader.string();
                            break;
                        }
                    case 2: {
                            message.channel = $root.expd.v1.Channel.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 3: {
                            message.name = reader.string();
                            break;
                        }
                    case 4: {
                            message.context = reader.string();
                            break;
                        }
                    case 5: {
                            message.pid = reader.uint32();
                            break;
                        }
                    case 6: {
                            message.uid = reader.uint32();
                            break;
                        }
                    case 7: {
                            message.behind = reader.uint64();
                            break;
                        }
                    case 8: {
                            message.delivered = reader.uint64();
                            break;
                        }
                    case 9: {
                            message.missed = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ListenerStatus;
        })();

        v1.Counters = (function() {

            function Counters(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Counters.prototype.connects = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.disconnects = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.logins = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.refreshes = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.broadcastsReceived = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.duplicates = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.deliveries = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.gaps = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.broadcastsSent = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.broadcastsFailed = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.responsesSent = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.responsesFailed = $util.Long ? $util.Long.fromBits(0,0,true) : 0;
            Counters.prototype.unexpectedMessages = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

            Counters.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.connects != null && Object.hasOwnProperty.call(message, "connects"))
                    writer.uint32(8).uint64(message.connects);
                if (message.disconnects != null && Object.hasOwnProperty.call(message, "disconnects"))
                    writer.uint32(16).uint64(message.disconnects);
                if (message.logins != null && Object.hasOwnProperty.call(message, "logins"))
                    writer.uint32(24).uint64(message.logins);
                if (message.refreshes != null && Object.hasOwnProperty.call(message, "refreshes"))
                    writer.uint32(32).uint64(message.refreshes);
                if (message.broadcastsReceived != null && Object.hasOwnProperty.call(message, "broadcastsReceived"))
                    writer.uint32(40).uint64(message.broadcastsReceived);
                if (message.duplicates != null && Object.hasOwnProperty.call(message, "duplicates"))
                    writer.uint32(48).uint64(message.duplicates);
                if (message.deliveries != null && Object.hasOwnProperty.call(message, "deliveries"))
                    writer.uint32(56).uint64(message.deliveries);
                if (message.gaps != null && Object.hasOwnProperty.call(message, "gaps"))
                    writer.uint32(64).uint64(message.gaps);
                if (message.broadcastsSent != null && Object.hasOwnProperty.call(message, "broadcastsSent"))
                    writer.uint32(72).uint64(message.broadcastsSent);
                if (message.broadcastsFailed != null && Object.hasOwnProperty.call(message, "broadcastsFailed"))
                    writer.uint32(80).uint64(message.broadcastsFailed);
                if (message.responsesSent != null && Object.hasOwnProperty.call(message, "responsesSent"))
                    writer.uint32(88).uint64(message.responsesSent);
                if (message.responsesFailed != null && Object.hasOwnProperty.call(message, "responsesFailed"))
                    writer.uint32(96).uint64(message.responsesFailed);
                if (message.unexpectedMessages != null && Object.hasOwnProperty.call(message, "unexpectedMessages"))
                    writer.uint32(104).uint64(message.unexpectedMessages);
                return writer;
            };

            Counters.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.expd.v1.Counters();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.connects = reader.uint64();
                            break;
                        }
                    case 2: {
                            message.disconnects = reader.uint64();
                            break;
                        }
                    case 3: {
                            message.logins = reader.uint64();
                            break;
                        }
                    case 4: {
                            message.refreshes = reader.uint64();
                            break;
                        }
                    case 5: {
                            message.broadcastsReceived = reader.uint64();
                            break;
                        }
                    case 6: {
                            message.duplicates = reader.uint64();
                            break;
                        }
                    case 7: {
                            message.deliveries = reader.uint64();
                            break;
                        }
                    case 8: {
                            message.gaps = reader.uint64();
                            break;
                        }
                    case 9: {
                            message.broadcastsSent = reader.uint64();
                            break;
                        }
                    case 10: {
                            message.broadcastsFailed = reader.uint64();
                            break;
                        }
                    case 11: {
                            message.responsesSent = reader.uint64();
                            break;
                        }
                    case 12: {
                            message.responsesFailed = reader.uint64();
                            break;
                        }
                    case 13: {
                            message.unexpectedMessages = reader.uint64();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Counters;
        })();

        return v1;
    })();

    return expd;
})();

$root.google = (function() {

    var google = {};

    google.protobuf = (function() {

        var protobuf = {};

        protobuf.Duration = (function() {

            function Duration(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Duration.prototype.seconds = $util.Long ? $util.Long.fromBits(0,0,false) : 0;
            Duration.prototype.nanos = 0;

            Duration.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.seconds != null && Object.hasOwnProperty.call(message, "seconds"))
                    writer.uint32(8).int64(message.seconds);
                if (message.nanos != null && Object.hasOwnProperty.call(message, "nanos"))
                    writer.uint32(16).int32(message.nanos);
                return writer;
            };

            Duration.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.Duration();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.seconds = reader.int64();
                            break;
                        }
                    case 2: {
                            message.nanos = reader.int32();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Duration;
        })();

        protobuf.Struct = (function() {

            function Struct(properties) {
                this.fields = {};
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Struct.prototype.fields = $util.emptyObject;

            Struct.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.fields != null && Object.hasOwnProperty.call(message, "fields"))
                    for (var keys = Object.keys(message.fields), i = 0; i < keys.length; ++i) {
                        writer.uint32(10).fork().uint32(10).string(keys[i]);
                        $root.google.protobuf.Value.encode(message.fields[keys[i]], writer.uint32(18).fork(), q + 1).ldelim().ldelim();
                    }
                return writer;
            };

            Struct.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message, key, value;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.Struct();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            if (message.fields === $util.emptyObject)
                                message.fields = {};
                            var end2 = reader.uint32() + reader.pos;
                            if (end2 > reader.len)
                                throw RangeError("index out of range");
                            reader.len = end2;
                            key = "";
                            value = null;
                            while (reader.pos < end2) {
                                var tag2 = reader.uint32();
                                switch (tag2 >>> 3) {
                                case 1:
                                    key = reader.string();
                                    break;
                                case 2:
                                    value = $root.google.protobuf.Value.decode(reader, reader.uint32(), undefined, long + 1);
                                    break;
                                default:
                                    reader.skipType(tag2 & 7, long);
                                    break;
                                }
                            }
                            if (reader.pos !== end2)
                                throw RangeError("index out of range");
                            reader.len = end;
                            if (key === "__proto__")
                                $util.makeProp(message.fields, key);
                            message.fields[key] = value;
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Struct;
        })();

        protobuf.Value = (function() {

            function Value(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Value.prototype.nullValue = null;
            Value.prototype.numberValue = null;
            Value.prototype.stringValue = null;
            Value.prototype.boolValue = null;
            Value.prototype.structValue = null;
            Value.prototype.listValue = null;

            var $oneOfFields;

            Object.defineProperty(Value.prototype, "kind", {
                get: $util.oneOfGetter($oneOfFields = ["nullValue", "numberValue", "stringValue", "boolValue", "structValue", "listValue"]),
                set: $util.oneOfSetter($oneOfFields)
            });

            Value.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.nullValue != null && Object.hasOwnProperty.call(message, "nullValue"))
                    writer.uint32(8).int32(message.nullValue);
                if (message.numberValue != null && Object.hasOwnProperty.call(message, "numberValue"))
                    writer.uint32(17).double(message.numberValue);
                if (message.stringValue != null && Object.hasOwnProperty.call(message, "stringValue"))
                    writer.uint32(26).string(message.stringValue);
                if (message.boolValue != null && Object.hasOwnProperty.call(message, "boolValue"))
                    writer.uint32(32).bool(message.boolValue);
                if (message.structValue != null && Object.hasOwnProperty.call(message, "structValue"))
                    $root.google.protobuf.Struct.encode(message.structValue, writer.uint32(42).fork(), q + 1).ldelim();
                if (message.listValue != null && Object.hasOwnProperty.call(message, "listValue"))
                    $root.google.protobuf.ListValue.encode(message.listValue, writer.uint32(50).fork(), q + 1).ldelim();
                return writer;
            };

            Value.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.Value();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.nullValue = reader.int32();
                            break;
                        }
                    case 2: {
                            message.numberValue = reader.double();
                            break;
                        }
                    case 3: {
                            message.stringValue = reader.string();
                            break;
                        }
                    case 4: {
                            message.boolValue = reader.bool();
                            break;
                        }
                    case 5: {
                            message.structValue = $root.google.protobuf.Struct.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    case 6: {
                            message.listValue = $root.google.protobuf.ListValue.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Value;
        })();

        protobuf.NullValue = (function() {
            var valuesById = {}, values = Object.create(valuesById);
            values[valuesById[0] = "NULL_VALUE"] = 0;
            return values;
        })();

        protobuf.ListValue = (function() {

            function ListValue(properties) {
                this.values = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ListValue.prototype.values = $util.emptyArray;

            ListValue.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.values != null && message.values.length)
                    for (var i = 0; i < message.values.length; ++i)
                        $root.google.protobuf.Value.encode(message.values[i], writer.uint32(10).fork(), q + 1).ldelim();
                return writer;
            };

            ListValue.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.ListValue();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            if (!(message.values && message.values.length))
                                message.values = [];
                            message.values.push($root.google.protobuf.Value.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ListValue;
        })();

        protobuf.Timestamp = (function() {

            function Timestamp(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Timestamp.prototype.seconds = $util.Long ? $util.Long.fromBits(0,0,false) : 0;
            Timestamp.prototype.nanos = 0;

            Timestamp.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.seconds != null && Object.hasOwnProperty.call(message, "seconds"))
                    writer.uint32(8).int64(message.seconds);
                if (message.nanos != null && Object.hasOwnProperty.call(message, "nanos"))
                    writer.uint32(16).int32(message.nanos);
                return writer;
            };

            Timestamp.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.Timestamp();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.seconds = reader.int64();
                            break;
                        }
                    case 2: {
                            message.nanos = reader.int32();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Timestamp;
        })();

        protobuf.Any = (function() {

            function Any(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Any.prototype.type_url = "";
            Any.prototype.value = $util.newBuffer([]);

            Any.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.type_url != null && Object.hasOwnProperty.call(message, "type_url"))
                    writer.uint32(10).string(message.type_url);
                if (message.value != null && Object.hasOwnProperty.call(message, "value"))
                    writer.uint32(18).bytes(message.value);
                return writer;
            };

            Any.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.protobuf.Any();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.type_url = reader.string();
                            break;
                        }
                    case 2: {
                            message.value = reader.bytes();
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Any;
        })();

        return protobuf;
    })();

    google.rpc = (function() {

        var rpc = {};

        rpc.Status = (function() {

            function Status(properties) {
                this.details = [];
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            Status.prototype.details = $util.emptyArray;

            Status.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.details != null && message.details.length)
                    for (var i = 0; i < message.details.length; ++i)
                        $root.google.protobuf.Any.encode(message.details[i], writer.uint32(26).fork(), q + 1).ldelim();
                return writer;
            };

            Status.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.rpc.Status();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 3: {
                            if (!(message.details && message.details.length))
                                message.details = [];
                            message.details.push($root.google.protobuf.Any.decode(reader, reader.uint32(), undefined, long + 1));
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return Status;
        })();

        rpc.ErrorInfo = (function() {

            function ErrorInfo(properties) {
                this.metadata = {};
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            ErrorInfo.prototype.reason = "";
            ErrorInfo.prototype.domain = "";
            ErrorInfo.prototype.metadata = $util.emptyObject;

            ErrorInfo.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.reason != null && Object.hasOwnProperty.call(message, "reason"))
                    writer.uint32(10).string(message.reason);
                if (message.domain != null && Object.hasOwnProperty.call(message, "domain"))
                    writer.uint32(18).string(message.domain);
                if (message.metadata != null && Object.hasOwnProperty.call(message, "metadata"))
                    for (var keys = Object.keys(message.metadata), i = 0; i < keys.length; ++i)
                        writer.uint32(26).fork().uint32(10).string(keys[i]).uint32(18).string(message.metadata[keys[i]]).ldelim();
                return writer;
            };

            ErrorInfo.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message, key, value;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.rpc.ErrorInfo();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.reason = reader.string();
                            break;
                        }
                    case 2: {
                            message.domain = reader.string();
                            break;
                        }
                    case 3: {
                            if (message.metadata === $util.emptyObject)
                                message.metadata = {};
                            var end2 = reader.uint32() + reader.pos;
                            if (end2 > reader.len)
                                throw RangeError("index out of range");
                            reader.len = end2;
                            key = "";
                            value = "";
                            while (reader.pos < end2) {
                                var tag2 = reader.uint32();
                                switch (tag2 >>> 3) {
                                case 1:
                                    key = reader.string();
                                    break;
                                case 2:
                                    value = reader.string();
                                    break;
                                default:
                                    reader.skipType(tag2 & 7, long);
                                    break;
                                }
                            }
                            if (reader.pos !== end2)
                                throw RangeError("index out of range");
                            reader.len = end;
                            if (key === "__proto__")
                                $util.makeProp(message.metadata, key);
                            message.metadata[key] = value;
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return ErrorInfo;
        })();

        rpc.RetryInfo = (function() {

            function RetryInfo(properties) {
                if (properties)
                    for (var keys = Object.keys(properties), i = 0; i < keys.length; ++i)
                        if (properties[keys[i]] != null && keys[i] !== "__proto__")
                            this[keys[i]] = properties[keys[i]];
            }

            RetryInfo.prototype.retryDelay = null;

            RetryInfo.encode = function encode(message, writer, q) {
                if (!writer)
                    writer = $Writer.create();
                if (q === undefined)
                    q = 0;
                if (q > $util.recursionLimit)
                    throw Error("max depth exceeded");
                if (message.retryDelay != null && Object.hasOwnProperty.call(message, "retryDelay"))
                    $root.google.protobuf.Duration.encode(message.retryDelay, writer.uint32(10).fork(), q + 1).ldelim();
                return writer;
            };

            RetryInfo.decode = function decode(reader, length, error, long) {
                if (!(reader instanceof $Reader))
                    reader = $Reader.create(reader);
                if (long === undefined)
                    long = 0;
                if (long > $Reader.recursionLimit)
                    throw Error("maximum nesting depth exceeded");
                var end, message;
                if (length === undefined)
                    end = reader.len;
                else {
                    end = reader.pos + length;
                    if (end > reader.len)
                        throw RangeError("index out of range");
                    length = reader.len;
                    reader.len = end;
                }
                message = new $root.google.rpc.RetryInfo();
                while (reader.pos < end) {
                    var tag = reader.uint32();
                    if (tag === error)
                        break;
                    switch (tag >>> 3) {
                    case 1: {
                            message.retryDelay = $root.google.protobuf.Duration.decode(reader, reader.uint32(), undefined, long + 1);
                            break;
                        }
                    default:
                        reader.skipType(tag & 7, long);
                        break;
                    }
                }
                if (length !== undefined) {
                    if (reader.pos !== end)
                        throw RangeError("index out of range");
                    reader.len = length;
                }
                return message;
            };

            return RetryInfo;
        })();

        return rpc;
    })();

    return google;
})();

module.exports = $root;
