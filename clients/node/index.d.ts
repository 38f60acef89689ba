// Types for `require('expd')`.
import * as types from './types';

declare const EXP: types.Module & { readonly EXP: types.Module; readonly default: types.Module };

declare namespace EXP {
  export type AbortError = types.AbortError;
  export type ApiError = types.ApiError;
  export type Auth = types.Auth;
  export type AuthenticationError = types.AuthenticationError;
  export type Broadcast = types.Broadcast;
  export type BroadcastOptions = types.BroadcastOptions;
  export type Calls = types.Calls;
  export type Channel = types.Channel;
  export type ChannelOptions = types.ChannelOptions;
  export type ConsumerAppIdentity = types.ConsumerAppIdentity;
  export type Content = types.Content;
  export type DaemonIdentity = types.DaemonIdentity;
  export type Data = types.Data;
  export type Device = types.Device;
  export type DeviceIdentity = types.DeviceIdentity;
  export type Exp = types.Exp;
  export type ExpError = types.ExpError;
  export type Experience = types.Experience;
  export type Fate = types.Fate;
  export type Feed = types.Feed;
  export type Found<R> = types.Found<R>;
  export type Gap = types.Gap;
  export type Json = types.Json;
  export type ListenCallback = types.ListenCallback;
  export type ListenOptions = types.ListenOptions;
  export type Listener = types.Listener;
  export type Location = types.Location;
  export type NamedResource = types.NamedResource;
  export type NetworkError = types.NetworkError;
  export type OwnIdentity = types.OwnIdentity;
  export type Params = types.Params;
  export type Payload = types.Payload;
  export type Position = types.Position;
  export type RawJson = types.RawJson;
  export type Registration = types.Registration;
  export type Resource = types.Resource;
  export type Respond = types.Respond;
  export type RuntimeError = types.RuntimeError;
  export type StartOptions = types.StartOptions;
  export type Subscription = types.Subscription;
  export type Thing = types.Thing;
  export type UnexpectedError = types.UnexpectedError;
  export type UnsupportedError = types.UnsupportedError;
  export type User = types.User;
  export type UserIdentity = types.UserIdentity;
  export type Waiting = types.Waiting;
  export type Zone = types.Zone;
}

export = EXP;
