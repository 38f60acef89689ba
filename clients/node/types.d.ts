/** A value that JSON can hold; `undefined` is sent as `null`. */
export type Json = string | number | boolean | null | undefined | Json[] | { [name: string]: Json };

/** JSON text that goes out to the letter; made by `rawJson`. */
export interface RawJson {
  readonly text: string;
}

/** A payload of a broadcast, a response or a request. Objects may be any that `JSON.stringify` takes. */
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
  /** Path of the daemon's socket. Default: $EXPD_SOCKET, /run/expd/expd.sock, $XDG_RUNTIME_DIR/expd/expd.sock, /tmp/expd-UID/expd.sock. */
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

/** Credentials of a device. With `allowPairing`, uuid and secret may be missing: an operator then types the pairing code. */
export type DeviceIdentity = OwnIdentity & { type?: 'device' } & (
    | { uuid: string; secret: string; allowPairing?: boolean }
    | { uuid?: string; secret?: string; allowPairing: true }
  );

/** Credentials of a person. */
export type UserIdentity = OwnIdentity & { type?: 'user'; username: string; password: string; organization: string };

/** Credentials of a consumer app. */
export type ConsumerAppIdentity = OwnIdentity & { type?: 'consumerApp'; uuid: string; apiKey: string };

export type StartOptions = DaemonIdentity | DeviceIdentity | UserIdentity | ConsumerAppIdentity;

/** What the network says of an identity. The tokens stay in the daemon. */
export interface Auth {
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
   * OFFLINE: the channel was not subscribed. OVERFLOW: the program was slower than the channel's log is long.
   * EXPIRED: they grew too old. RESTARTED: the daemon, or the log, was restarted. `REASON_N`: one of a newer daemon.
   */
  reason: 'OFFLINE' | 'OVERFLOW' | 'EXPIRED' | 'RESTARTED' | (string & {});
  /** Number of missing broadcasts; 0 where it is not known. */
  missed: number;
  /** Start of the span; undefined where it is not known. */
  from: Date | undefined;
  to: Date | undefined;
}

/** State of a listener's channel at EXP. */
export interface Subscription {
  state: 'PENDING' | 'CONFIRMED' | (string & {});
  channelId: string;
  logId: string;
  /** Since when. */
  since: Date | undefined;
}

/** A place in a channel's log. It may be kept as JSON, and given as `resume` by the program's next start. */
export interface Position {
  logId: string;
  after: number;
}

export interface ListenOptions extends Waiting {
  /** Age in milliseconds from which a broadcast is dropped and told as a gap. Default: that of the daemon's log (60 s). */
  maxAge?: number;
  /** A listener that falls off its channel's log gets a gap and goes on (`SKIP`, the default), or ends with an error (`CANCEL`). */
  overflow?: 'SKIP' | 'CANCEL';
  /** Where to go on: an earlier listener's `position`. */
  resume?: Position;
  /** Longest wait in milliseconds for EXP's confirmation; then `listen` rejects with a `NetworkError`. Default: no limit. */
  timeout?: number;
}

export interface BroadcastOptions extends Waiting {
  /** True: where there is no connection, the daemon waits up to 60 s for one, and then sends it, once. Default false: refused at once. */
  waitForConnection?: boolean;
}

/** A received broadcast. */
export interface Broadcast {
  readonly id: string;
  /** The event's name. */
  readonly name: string;
  readonly channel: { name: string; system: boolean; consumer: boolean };
  readonly channelId: string;
  /** When the daemon received it. */
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

/** Listens to a channel, through restarts of the daemon and outages of the network, until it is cancelled. */
export interface Listener extends AsyncIterable<Broadcast> {
  readonly state: 'PENDING' | 'CONFIRMED' | 'DISCONNECTED' | 'ENDED' | (string & {});
  /** The place after the last event that the program was given. */
  readonly position: Position | undefined;
  /** Broadcasts may have been missed. Without a callback, a gap is a warning on standard error. */
  on(name: 'gap', callback: (gap: Gap) => void): Registration;
  /** EXP has confirmed the channel, or does not any more. */
  on(name: 'subscription', callback: (subscription: Subscription) => void): Registration;
  /** The daemon is away; the listener comes back by itself. */
  on(name: 'disconnected', callback: (error: ExpError) => void): Registration;
  on(name: 'reconnected', callback: () => void): Registration;
  /** The listener has ended for good, without the program's asking. */
  on(name: 'error', callback: (error: ExpError) => void): Registration;
  on(name: 'end', callback: (error?: ExpError) => void): Registration;
  /** Ends it: nothing is heard from here on. */
  cancel(): void;
  /** Takes the oldest broadcast, or waits for one up to `timeout` milliseconds (default 0); null where none came. Without a callback alone. */
  wait(timeout?: number, options?: Waiting): Promise<Broadcast | null>;
  /** The broadcasts, until it is cancelled; leaving the loop cancels it. Without a callback alone. */
  [Symbol.asyncIterator](): AsyncIterator<Broadcast>;
}

export interface ChannelOptions {
  /** The channel's system side, on which EXP alone sends. Default false. */
  system?: boolean;
  /** Open to consumer apps, which may use no other channels. Default false. */
  consumer?: boolean;
}

export interface Channel {
  readonly name: string;
  readonly system: boolean;
  readonly consumer: boolean;
  /**
   * Sends an event, once, and collects responses.
   * @param timeout time for which EXP collects responses, in milliseconds: 100 by default, up to an hour; 0 collects none
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
  listen(options?: ListenOptions): Promise<Listener>;
}

/** What a find gives: an array of resources, and EXP's own answer. */
export type Found<R> = R[] & {
  /** Number of all that match, on every page. */
  readonly total: number;
  /** Their documents. */
  readonly results: any[];
};

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

export interface NamedResource extends Resource {
  readonly uuid: string;
  name: string;
  delete(options?: Waiting): Promise<void>;
}

export interface Thing extends NamedResource {
  getLocation(options?: Waiting): Promise<Location | null>;
  getZones(options?: Waiting): Promise<Zone[] & { readonly total: number }>;
  getExperience(options?: Waiting): Promise<Experience | null>;
}

export interface Device extends Thing {}

export interface Experience extends NamedResource {
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
}

export interface Location extends NamedResource {
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  getThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  getZones(): Promise<Zone[] & { readonly total: number }>;
  /** A URL that loads the layout by itself; it carries a token that reads content. */
  getLayoutUrl(options?: Waiting): Promise<string>;
}

export interface Zone extends Resource {
  readonly key: string;
  name: string;
  getDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  getThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  getLocation(): Promise<Location>;
}

export interface Feed extends NamedResource {
  /** The feed's data, as EXP has them. */
  getData(params?: Params, options?: Waiting): Promise<any>;
}

export interface Data extends Resource {
  readonly group: string;
  readonly key: string;
  value: any;
  delete(options?: Waiting): Promise<void>;
}

export interface Content extends Resource {
  readonly uuid: string;
  name: string;
  readonly subtype: string;
  getChildren(params?: Params, options?: Waiting): Promise<Found<Content>>;
  /** A URL that loads it by itself; it carries a token that reads content. */
  getUrl(options?: Waiting): Promise<string>;
  hasVariant(name: string): boolean;
  getVariantUrl(name: string, options?: Waiting): Promise<string>;
}

export interface User extends NamedResource {}

/** What an instance does once it was started. After `stop`, each call throws a `RuntimeError`. */
export interface Calls {
  /** The newest authentication payload; undefined before the login. */
  readonly auth: Auth | undefined;
  /** True while the link to EXP is up. */
  readonly isConnected: boolean;
  /** Resolves with the authentication payload after the login; rejects where the credentials are refused. */
  getAuth(options?: Waiting): Promise<Auth>;
  /** The identity is known, or has changed. */
  on(name: 'update', callback: (auth: Auth) => void): Registration;
  /** The link to EXP is up, or is not any more. */
  on(name: 'online' | 'offline', callback: () => void): Registration;
  /** The credentials are refused, or a listener has ended for good. */
  on(name: 'error', callback: (error: ExpError) => void): Registration;
  /** The same instance under a context, by which `clear` ends its listeners and callbacks. Its `stop` ends the original too. */
  clone(context?: string): Exp;
  getChannel(name?: string, options?: ChannelOptions): Channel;

  /** Sends a GET to EXP's API (`/api/…`). JSON is parsed; anything else comes as a Buffer, no body as null. */
  get(path: string, params?: Params, options?: Waiting): Promise<any>;
  post(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  patch(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  put(path: string, body?: Payload, params?: Params, options?: Waiting): Promise<any>;
  delete(path: string, params?: Params, options?: Waiting): Promise<any>;
  /** A URL that loads the content at a path by itself; it carries a token that reads content. */
  getContentUrl(path: string, options?: Waiting & { variant?: string }): Promise<string>;

  /** null where there is no uuid, or none such; so are all of `get…`. */
  getDevice(uuid?: string, options?: Waiting): Promise<Device | null>;
  findDevices(params?: Params, options?: Waiting): Promise<Found<Device>>;
  createDevice(document?: object, options?: Waiting): Promise<Device>;
  deleteDevice(uuid?: string, options?: Waiting): Promise<null>;
  getThing(uuid?: string, options?: Waiting): Promise<Thing | null>;
  findThings(params?: Params, options?: Waiting): Promise<Found<Thing>>;
  createThing(document?: object, options?: Waiting): Promise<Thing>;
  deleteThing(uuid?: string, options?: Waiting): Promise<null>;
  getExperience(uuid?: string, options?: Waiting): Promise<Experience | null>;
  findExperiences(params?: Params, options?: Waiting): Promise<Found<Experience>>;
  createExperience(document?: object, options?: Waiting): Promise<Experience>;
  deleteExperience(uuid?: string, options?: Waiting): Promise<null>;
  getLocation(uuid?: string, options?: Waiting): Promise<Location | null>;
  findLocations(params?: Params, options?: Waiting): Promise<Found<Location>>;
  createLocation(document?: object, options?: Waiting): Promise<Location>;
  deleteLocation(uuid?: string, options?: Waiting): Promise<null>;
  getFeed(uuid?: string, options?: Waiting): Promise<Feed | null>;
  findFeeds(params?: Params, options?: Waiting): Promise<Found<Feed>>;
  createFeed(document?: object, options?: Waiting): Promise<Feed>;
  deleteFeed(uuid?: string, options?: Waiting): Promise<null>;
  /** An empty group is `default`. */
  getData(group: string | undefined, key?: string, options?: Waiting): Promise<Data | null>;
  findData(params?: Params, options?: Waiting): Promise<Found<Data>>;
  /** Replaces what is there. */
  createData(group: string | undefined, key: string, value?: Payload, options?: Waiting): Promise<Data>;
  deleteData(group: string | undefined, key: string, options?: Waiting): Promise<null>;
  getContent(uuid?: string, options?: Waiting): Promise<Content | null>;
  findContent(params?: Params, options?: Waiting): Promise<Found<Content>>;

  /** null for users and consumer apps; so are the next three, zones an empty list. */
  getCurrentDevice(options?: Waiting): Promise<Device | null>;
  getCurrentExperience(options?: Waiting): Promise<Experience | null>;
  getCurrentLocation(options?: Waiting): Promise<Location | null>;
  getCurrentZones(options?: Waiting): Promise<Zone[]>;
  /** null for devices and consumer apps. */
  getCurrentUser(options?: Waiting): Promise<User | null>;
}

/** An instance. */
export declare class Exp {
  private constructor();
  /** Starts an instance that `fork` made. Refuses wrong or missing options before anything is sent. */
  start(options?: StartOptions): this;
  /** Ends this instance, its clones and their listeners. Nothing of it then keeps the process alive. */
  stop(): void;
  /** An instance that is not started. */
  fork(): Exp;
  /** Ends all listeners and callbacks of a context (default: this instance's own), in every instance of the process. */
  clear(context?: string): void;
}
export interface Exp extends Calls {}

/** Base of all errors. */
export declare class ExpError extends Error {
  /** EXP's or the daemon's name of the error, such as `OFFLINE`; NOT_REACHABLE and CONNECTION_LOST where the daemon is away. */
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
   * Starts an instance and returns it at once; calls on it wait for what they need. Without options, it is the daemon's
   * default identity. May be called many times.
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
  readonly Exp: typeof Exp;
  readonly ExpError: typeof ExpError;
  readonly RuntimeError: typeof RuntimeError;
  readonly UnsupportedError: typeof UnsupportedError;
  readonly NetworkError: typeof NetworkError;
  readonly AuthenticationError: typeof AuthenticationError;
  readonly ApiError: typeof ApiError;
  readonly UnexpectedError: typeof UnexpectedError;
  readonly AbortError: typeof AbortError;
}
