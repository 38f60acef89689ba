/** A value that JSON can hold; `undefined` is sent as `null`. */
export type Json = string | number | boolean | null | undefined | Json[] | { [name: string]: Json };

/** JSON text that goes out to the letter; made by `rawJson`. */
export interface RawJson {
  /** The text. */
  readonly text: string;
}

/** A payload of a broadcast, a response or a request. Objects: any that `JSON.stringify` takes. */
export type Payload = Json | RawJson | object;

/** Outcome of a call that failed: not carried out, carried out, or nobody knows. */
export type Fate = 'refused' | 'sent' | 'unknown';

/** Option of everything that waits. */
export interface Waiting {
  /** Gives up the wait: the promise rejects with an `AbortError`. */
  signal?: AbortSignal;
}

/** Query parameters; objects go as JSON, null and undefined are left out. */
export type Params = { [name: string]: unknown };

/** An identity that the daemon has in its settings. */
export interface DaemonIdentity {
  /** Name of the instance in the daemon's settings; without it, the default one. */
  instance?: string;
  /**
   * Path of the daemon's socket. Default: $EXPD_SOCKET, /run/expd/expd.sock,
   * $XDG_RUNTIME_DIR/expd/expd.sock, /tmp/expd-UID/expd.sock.
   */
  socket?: string;
}

/** Common to all identities that a program brings along. */
export interface OwnIdentity {
  /** Path of the daemon's socket. */
  socket?: string;
  /** Base URL of EXP's API; that of the daemon's default instance where there is none. */
  host?: string;
  /** False for an identity without a live socket, which cannot listen. Default true. */
  enableNetwork?: boolean;
}

/**
 * Credentials of a device. With `allowPairing`, uuid and secret may be missing: an operator then
 * types the pairing code.
 */
export type DeviceIdentity = OwnIdentity & { type?: 'device' } & (
    | { uuid: string; secret: string; allowPairing?: boolean }
    | { uuid?: string; secret?: string; allowPairing: true }
  );

/** Credentials of a person. */
export type UserIdentity = OwnIdentity & { type?: 'user'; username: string; password: string; organization: string };

/** Credentials of a consumer app. */
export type ConsumerAppIdentity = OwnIdentity & { type?: 'consumerApp'; uuid: string; apiKey: string };

/** The identity to start, and the socket. */
export type StartOptions = DaemonIdentity | DeviceIdentity | UserIdentity | ConsumerAppIdentity;

/** The network's record of an identity. The tokens stay in the daemon. */
export interface Auth {
  /** Facts of the identity, as the network names them. */
  identity: {
    /** `device`, `user`, `consumerApp`, or another word of the network. */
    type: string;
    /** Missing for a device that is not paired. */
    uuid?: string;
    organization?: string;
    username?: string;
    role?: unknown;
    /** True in pairing mode. */
    isPairing?: boolean;
    /** The code that an operator types; shown to people as `abc-def`. */
    pairingCode?: string;
    [name: string]: unknown;
  };
  /** End of the token's life, in milliseconds since 1970. The daemon renews it before. */
  expiration?: number;
}

/** A callback that was registered. */
export interface Registration {
  /** Takes the callback out. */
  cancel(): void;
}

/** A span in which a listener may have missed broadcasts. */
export interface Gap {
  /**
   * OFFLINE: the channel was not subscribed. OVERFLOW: the program was slower than the channel's
   * log is long. EXPIRED: they grew too old. RESTARTED: the daemon, or the log, was restarted.
   * `REASON_N`: one of a newer daemon.
   */
  reason: 'OFFLINE' | 'OVERFLOW' | 'EXPIRED' | 'RESTARTED' | (string & {});
  /** Number of missing broadcasts; 0 where it is not known. */
  missed: number;
  /** Start of the span; undefined where it is not known. */
  from: Date | undefined;
  /** End of the span; undefined where it is not known. */
  to: Date | undefined;
}

/** State of a listener's channel at EXP. */
export interface Subscription {
  /** PENDING until EXP has confirmed the channel. */
  state: 'PENDING' | 'CONFIRMED' | (string & {});
  /** The channel's ID on the network; empty before the first login. */
  channelId: string;
  /** ID of the channel's log in the daemon. */
  logId: string;
  /** Since when. */
  since: Date | undefined;
}

/** A place in a channel's log. It may be kept as JSON, and given as `resume` by the next run. */
export interface Position {
  /** ID of the channel's log in the daemon. */
  logId: string;
  /** Number of the last event in that log that the program was given. */
  after: number;
}

/** Options of a listener. */
export interface ListenOptions extends Waiting {
  /**
   * Age in milliseconds from which a broadcast is dropped and told as a gap. Default: that of the
   * daemon's log (60 s).
   */
  maxAge?: number;
  /**
   * A listener that falls off its channel's log gets a gap and goes on (`SKIP`, the default), or
   * ends with an error (`CANCEL`).
   */
  overflow?: 'SKIP' | 'CANCEL';
  /** Place to go on from: an earlier listener's `position`. */
  resume?: Position;
  /**
   * Longest wait in milliseconds for EXP's confirmation; then `listen` rejects with a
   * `NetworkError`. Default: no limit.
   */
  timeout?: number;
}

/** Options of a broadcast. */
export interface BroadcastOptions extends Waiting {
  /**
   * True: where there is no connection, the daemon waits up to 60 s for one, and then sends it,
   * once. Default false: refused at once.
   */
  waitForConnection?: boolean;
}

/** A received broadcast. */
export interface Broadcast {
  /** ID of the broadcast, which a response names. */
  readonly id: string;
  /** The event's name. */
  readonly name: string;
  /** Name and flags of its channel. */
  readonly channel: { name: string; system: boolean; consumer: boolean };
  /** The channel's ID on the network, which a response names. */
  readonly channelId: string;
  /** Time at which the daemon received it. */
  readonly receivedAt: Date | undefined;
  /** The payload, parsed: this listener's own copy. */
  readonly payload: any;
  /** The payload's text as it was sent, with its digits. */
  readonly json: string;
  /** Answers it. The promise tells whether EXP took the response; it need not be awaited. */
  respond(value?: Payload | Promise<Payload>, options?: Waiting): Promise<void>;
}

/** Answers the broadcast at hand. */
export type Respond = (value?: Payload | Promise<Payload>, options?: Waiting) => Promise<void>;

/** Gets each broadcast. Where it returns a promise, the next one comes when that has settled. */
export type ListenCallback = (payload: any, respond: Respond, message: Broadcast) => unknown;

/** Listens to a channel, through restarts of the daemon and outages, until it is cancelled. */
export interface Listener extends AsyncIterable<Broadcast> {
  /**
   * CONFIRMED while EXP confirms the channel, PENDING before, DISCONNECTED while the daemon is
   * away, ENDED for good.
   */
  readonly state: 'PENDING' | 'CONFIRMED' | 'DISCONNECTED' | 'ENDED' | (string & {});
  /** The place after the last event that the program was given. */
  readonly position: Position | undefined;
  /** Broadcasts may have been missed. Without a callback, a gap is a warning on standard error. */
  on(name: 'gap', callback: (gap: Gap) => void): Registration;
  /** EXP has confirmed the channel, or does not any more. */
  on(name: 'subscription', callback: (subscription: Subscription) => void): Registration;
  /** The daemon is away; the listener comes back by itself. */
  on(name: 'disconnected', callback: (error: ExpError) => void): Registration;
  /** The daemon is back, and the listener goes on. */
  on(name: 'reconnected', callback: () => void): Registration;
  /** The listener has ended for good, without the program's asking. */
  on(name: 'error', callback: (error: ExpError) => void): Registration;
  /** The listener has ended, in any way; with the error, where there was one. */
  on(name: 'end', callback: (error?: ExpError) => void): Registration;
  /** Ends it: nothing is heard from here on. */
  cancel(): void;
  /**
   * Takes the oldest broadcast, or waits for one up to `timeout` milliseconds (default 0); null
   * where none came. Without a callback alone.
   */
  wait(timeout?: number, options?: Waiting): Promise<Broadcast | null>;
  /** The broadcasts, until cancelled; leaving the loop cancels it. Without a callback alone. */
  [Symbol.asyncIterator](): AsyncIterator<Broadcast>;
}

/** Flags of a channel: the same name with other flags is another channel. */
export interface ChannelOptions {
  /** The channel's system side, on which EXP alone sends. Default false. */
  system?: boolean;
  /** Open to consumer apps, which may use no other channels. Default false. */
  consumer?: boolean;
}

/** A channel of an instance. */
export interface Channel {
  /** The channel's name. */
  readonly name: string;
  /** True for the channel's system side, on which EXP alone sends. */
  readonly system: boolean;
  /** True where consumer apps may use it. */
  readonly consumer: boolean;
  /**
   * Sends an event, once, and collects responses.
   * @param timeout time for which EXP collects responses, in milliseconds: 100 by default, up to
   *   an hour; 0 collects none
   * @returns the responses' payloads, in the order of their arrival
   */
  broadcast(name: string, payload?: Payload, timeout?: number, options?: BroadcastOptions): Promise<any[]>;
  /** Broadcasts `fling`: the payload is an app to start. */
  fling(payload?: Payload, timeout?: number, options?: BroadcastOptions): Promise<any[]>;
  /** Broadcasts `identify`: who hears it shows itself. */
  identify(options?: BroadcastOptions): Promise<any[]>;
  /** Listens for events of a name. Resolves once EXP has confirmed the channel. */
  listen(name: string, callback: ListenCallback, options?: ListenOptions): Promise<Listener>;
  /** Listens without a callback: for `wait` and `for await`. */
  listen(name: string, options?: ListenOptions): Promise<Listener>;
  /** Listens for every event of the channel. */
  listen(callback: ListenCallback, options?: ListenOptions): Promise<Listener>;
  /** Listens for every event, without a callback: for `wait` and `for await`. */
  listen(options?: ListenOptions): Promise<Listener>;
}

/** Result of a find: an array of resources, and EXP's own answer. */
export type Found<R> = R[] & {
  /** Number of all that match, on every page. */
  readonly total: number;
  /** Their documents. */
  readonly results: any[];
};

/** A document of EXP. */
export interface Resource {
  /** The document; changes of it are sent by `save`. */
  document: any;
  /** Sends the document to EXP. */
  save(options?: Waiting): Promise<void>;
  /** Gets the document anew; rejects with an `ApiError` of status 404 where it is gone. */
  refresh(options?: Waiting): Promise<void>;
  /** The resource's channel: on its system side, EXP tells each `update`. */
  getChannel(options?: ChannelOptions): Channel;
  /** The same resource, whose listeners go under another context. */
  clone(context?: string): this;
}

/** A document of EXP with a uuid and a name. */
export interface NamedResource extends Resource {
  /** Its uuid. */
  readonly uuid: string;
  /** Its name; a change is sent by `save`. */
  name: string;
  /** Deletes it at EXP; rejects with an `ApiError` of status 404 where it is gone. */
  delete(options?: Waiting): Promise<void>;
}

/** A thing that is no device, as a beacon. */
export interface Thing extends NamedResource {
  /** The location where it stands; null where it has none. */
  getLocation(options?: Waiting): Promise<Location | null>;
  /** The zones where it stands; an empty list where it has none. */
  getZones(options?: Waiting): Promise<Zone[] & { readonly total: number }>;
  /** The experience that it shows; null where it has none. */
  getExperience(options?: Waiting): Promise<Experience | null>;
}

/** A screen or another device. */
export interface Device extends Thing {}

/** An experience: what devices show. */
export interface Experience extends NamedResource {
  /** The devices that show it, and match. */
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
}

/** A location, with its zones. */
export interface Location extends NamedResource {
  /** The devices that stand there, and match. */
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  /** The things that stand there, and match. */
  getThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  /** The zones of the location's document. */
  getZones(): Promise<Zone[] & { readonly total: number }>;
  /** A URL that loads the layout by itself; it carries a token that reads content. */
  getLayoutUrl(options?: Waiting): Promise<string>;
}

/** A part of a location. It is saved and refreshed with its location's document. */
export interface Zone extends Resource {
  /** Its key, unique in its location. */
  readonly key: string;
  /** Its name; a change is sent by `save`, with its location. */
  name: string;
  /** The devices that stand in it, and match. */
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  /** The things that stand in it, and match. */
  getThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  /** The location that it is a part of. */
  getLocation(): Promise<Location>;
}

/** A feed of a connector. */
export interface Feed extends NamedResource {
  /** The feed's data, as EXP has them. */
  getData(params?: Params, options?: Waiting): Promise<any>;
}

/** A data item: a JSON value by group and key. */
export interface Data extends Resource {
  /** Its group. */
  readonly group: string;
  /** Its key, unique in its group. */
  readonly key: string;
  /** Its value; a change is sent by `save`. */
  value: any;
  /** Deletes it at EXP; rejects with an `ApiError` of status 404 where it is gone. */
  delete(options?: Waiting): Promise<void>;
}

/** A file, folder, app or address of the content. It has no `delete`, as in EXP's own SDKs. */
export interface Content extends Resource {
  /** Its uuid; `root` for the folder of all. */
  readonly uuid: string;
  /** Its name. */
  name: string;
  /** `scala:content:file`, `…:folder`, `…:app` or `…:url`. */
  readonly subtype: string;
  /** Matching content of a folder or an app. */
  getChildren(params?: Params, options?: Waiting): Promise<Found<Content>>;
  /** A URL that loads it by itself; it carries a token that reads content. */
  getUrl(options?: Waiting): Promise<string>;
  /** True where it has a variant of this name. */
  hasVariant(name: string): boolean;
  /** A URL that loads a variant by itself; rejects where there is none of this name. */
  getVariantUrl(name: string, options?: Waiting): Promise<string>;
}

/** A person. */
export interface User extends NamedResource {}

/** Calls of an instance that was started. After `stop`, each throws a `RuntimeError`. */
export interface Calls {
  /** The newest authentication payload; undefined before the login. */
  readonly auth: Auth | undefined;
  /** True while the link to EXP is up. */
  readonly isConnected: boolean;
  /** Resolves with the authentication payload after the login; rejects where that is refused. */
  getAuth(options?: Waiting): Promise<Auth>;
  /** The identity is known, or has changed. */
  on(name: 'update', callback: (auth: Auth) => void): Registration;
  /** The link to EXP is up, or is not any more. */
  on(name: 'online' | 'offline', callback: () => void): Registration;
  /** The credentials are refused, or a listener has ended for good. */
  on(name: 'error', callback: (error: ExpError) => void): Registration;
  /**
   * The same instance under a context, by which `clear` ends its listeners and callbacks. Its
   * `stop` ends the original too.
   */
  clone(context?: string): Exp;
  /** A channel, by its name (`default` where there is none) and flags. */
  getChannel(name?: string, options?: ChannelOptions): Channel;

  /**
   * Sends a GET to EXP's API (`/api/…`). JSON is parsed; anything else comes as a Buffer, no body
   * as null.
   */
  get(path: string, params?: Params, options?: Waiting): Promise<any>;
  /** Sends a POST to EXP's API; the answer is as for `get`. */
  post(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  /** Sends a PATCH to EXP's API; the answer is as for `get`. */
  patch(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  /** Sends a PUT to EXP's API; the answer is as for `get`. */
  put(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  /** Sends a DELETE to EXP's API; the answer is as for `get`. */
  delete(path: string, params?: Params, options?: Waiting): Promise<any>;
  /** A URL that loads the content at a path by itself; it carries a token that reads content. */
  getContentUrl(path: string, options?: Waiting & { variant?: string }): Promise<string>;

  /** null where there is no uuid, or none such; so are all of `get…`. */
  getDevice(uuid?: string, options?: Waiting): Promise<Device | null>;
  /** The devices that match; `limit`, `skip` and `sort` besides. */
  findDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  /** Creates a device. */
  createDevice(document?: object, options?: Waiting): Promise<Device>;
  /**
   * Deletes the device of this uuid, and nothing where none is given; rejects with an `ApiError` of
   * status 404 where there is no such one.
   */
  deleteDevice(uuid?: string, options?: Waiting): Promise<null>;
  /** The thing of this uuid; null where there is no uuid, or none such. */
  getThing(uuid?: string, options?: Waiting): Promise<Thing | null>;
  /** The things that match; `limit`, `skip` and `sort` besides. */
  findThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  /** Creates a thing. */
  createThing(document?: object, options?: Waiting): Promise<Thing>;
  /**
   * Deletes the thing of this uuid, and nothing where none is given; rejects with an `ApiError` of
   * status 404 where there is no such one.
   */
  deleteThing(uuid?: string, options?: Waiting): Promise<null>;
  /** The experience of this uuid; null where there is no uuid, or none such. */
  getExperience(uuid?: string, options?: Waiting): Promise<Experience | null>;
  /** The experiences that match; `limit`, `skip` and `sort` besides. */
  findExperiences(params?: Params, options?: Waiting): Promise<Found<Experience>>;
  /** Creates an experience. */
  createExperience(document?: object, options?: Waiting): Promise<Experience>;
  /**
   * Deletes the experience of this uuid, and nothing where none is given; rejects with an
   * `ApiError` of status 404 where there is no such one.
   */
  deleteExperience(uuid?: string, options?: Waiting): Promise<null>;
  /** The location of this uuid; null where there is no uuid, or none such. */
  getLocation(uuid?: string, options?: Waiting): Promise<Location | null>;
  /** The locations that match; `limit`, `skip` and `sort` besides. */
  findLocations(params?: Params, options?: Waiting): Promise<Found<Location>>;
  /** Creates a location. */
  createLocation(document?: object, options?: Waiting): Promise<Location>;
  /**
   * Deletes the location of this uuid, and nothing where none is given; rejects with an `ApiError`
   * of status 404 where there is no such one.
   */
  deleteLocation(uuid?: string, options?: Waiting): Promise<null>;
  /** The feed of this uuid; null where there is no uuid, or none such. */
  getFeed(uuid?: string, options?: Waiting): Promise<Feed | null>;
  /** The feeds that match; `limit`, `skip` and `sort` besides. */
  findFeeds(params?: Params, options?: Waiting): Promise<Found<Feed>>;
  /** Creates a feed. */
  createFeed(document?: object, options?: Waiting): Promise<Feed>;
  /**
   * Deletes the feed of this uuid, and nothing where none is given; rejects with an `ApiError` of
   * status 404 where there is no such one.
   */
  deleteFeed(uuid?: string, options?: Waiting): Promise<null>;
  /** An empty group is `default`. */
  getData(group: string | undefined, key?: string, options?: Waiting): Promise<Data | null>;
  /** Those that match, of all groups. */
  findData(params?: Params, options?: Waiting): Promise<Found<Data>>;
  /** Replaces what is there. */
  createData(group: string | undefined, key: string, value?: Payload, options?: Waiting): Promise<Data>;
  /** Deletes the item; rejects with an `ApiError` of status 404 where there is none. */
  deleteData(group: string | undefined, key: string, options?: Waiting): Promise<null>;
  /**
   * The content of this uuid (`root`: the folder of all);
   * null where there is no uuid, or none such.
   */
  getContent(uuid?: string, options?: Waiting): Promise<Content | null>;
  /** The content that matches. */
  findContent(params?: Params, options?: Waiting): Promise<Found<Content>>;

  /** null for users and consumer apps; so are the next three, zones an empty list. */
  getCurrentDevice(options?: Waiting): Promise<Device | null>;
  /** The experience that the device shows; null where the identity has none. */
  getCurrentExperience(options?: Waiting): Promise<Experience | null>;
  /** The location where the device stands; null where the identity has none. */
  getCurrentLocation(options?: Waiting): Promise<Location | null>;
  /** The zones where the device stands; an empty list where the identity has none. */
  getCurrentZones(options?: Waiting): Promise<Zone[]>;
  /** null for devices and consumer apps. */
  getCurrentUser(options?: Waiting): Promise<User | null>;
}

/** An instance. */
export declare class Exp {
  private constructor();
  /**
   * Starts an instance that `fork` made. Refuses wrong or missing options before anything is sent.
   */
  start(options?: StartOptions): this;
  /**
   * Ends this instance, its clones and their listeners. Nothing of it then keeps the process alive.
   */
  stop(): void;
  /** An instance that is not started. */
  fork(): Exp;
  /**
   * Ends all listeners and callbacks of a context (default: this instance's own), in every instance
   * of the process.
   */
  clear(context?: string): void;
}
/** A started instance. */
export interface Exp extends Calls {}

/** Base of all errors. */
export declare class ExpError extends Error {
  /**
   * EXP's or the daemon's name of the error, such as `OFFLINE`; NOT_REACHABLE and CONNECTION_LOST
   * where the daemon is away.
   */
  code: string | undefined;
  /** Outcome of the call. */
  fate: Fate;
  /** Milliseconds after which another try makes sense, where the daemon knows. */
  retryAfter: number | undefined;
  /** Name of the gRPC status, where the daemon answered with one. */
  grpcStatus: string | undefined;
}
/** Wrong options, a broken rule, a missing right, a stopped instance. */
export declare class RuntimeError extends ExpError {}
/** The daemon is older than the library and does not know the call. */
export declare class UnsupportedError extends RuntimeError {}
/** The daemon or the network is away, or did not answer in time. */
export declare class NetworkError extends ExpError {}
/** The credentials are refused. */
export declare class AuthenticationError extends ExpError {}
/** EXP's own error. */
export declare class ApiError extends ExpError {
  /** The HTTP status. */
  status: number | undefined;
  /** EXP's answer. */
  payload: any;
}
/** An answer that cannot be understood. */
export declare class UnexpectedError extends ExpError {}
/** The program's AbortSignal ended the wait; `cause` is its reason. */
export declare class AbortError extends ExpError {}

/** The package: it starts instances, and stands for the one that it started last. */
export interface Module extends Calls {
  /**
   * Starts an instance and returns it at once; calls on it wait for what they need. Without
   * options, it is the daemon's default identity. May be called many times.
   */
  start(options?: StartOptions): Exp;
  /** Ends all instances. */
  stop(): void;
  /** An instance that is not started. */
  fork(): Exp;
  /** Ends all listeners and callbacks of a context, in every instance of the process. */
  clear(context?: string): void;
  /** JSON text as a payload, to be sent to the letter. */
  rawJson(text: string): RawJson;
  /** The library's version. */
  readonly version: string;
  /** The class of instances. */
  readonly Exp: typeof Exp;
  /** Base of all errors. */
  readonly ExpError: typeof ExpError;
  /** A class of errors. */
  readonly RuntimeError: typeof RuntimeError;
  /** A class of errors. */
  readonly UnsupportedError: typeof UnsupportedError;
  /** A class of errors. */
  readonly NetworkError: typeof NetworkError;
  /** A class of errors. */
  readonly AuthenticationError: typeof AuthenticationError;
  /** A class of errors. */
  readonly ApiError: typeof ApiError;
  /** A class of errors. */
  readonly UnexpectedError: typeof UnexpectedError;
  /** A class of errors. */
  readonly AbortError: typeof AbortError;
}
