// A daemon of another version: a real gRPC server in front of the daemon, which leaves calls out
// and changes answers.
import path from 'node:path';
import { grpc } from './raw.mjs';

const STREAMS = new Set(['Listen', 'WatchStatus', 'RunInstance', 'Fetch']);
const CALLS = {
  Network: ['Broadcast', 'Listen', 'Respond'],
  Api: ['Request', 'GetContentUrl', 'GetIdentity'],
  Daemon: ['GetStatus', 'WatchStatus', 'RunInstance'],
};
const bytes = (value) => value;

export class OtherDaemon {
  /**
   * @param {World} world the daemon behind it
   * @param {{without?: string[], change?: (name: string, answer: Buffer) => Buffer[]}} differences
   *   calls that it does not know (`Daemon.RunInstance`), and the messages that it sends in place
   *   of an answer
   */
  static async start(world, { without = [], change = (name, answer) => [answer] }) {
    const other = new OtherDaemon();
    other.socket = path.join(world.room, `other-${Math.random().toString(36).slice(2)}.sock`);
    other.behind = new grpc.Client(`unix:${world.socket}`, grpc.credentials.createInsecure());
    other.server = new grpc.Server();
    for (const [service, calls] of Object.entries(CALLS)) {
      const known = calls.filter((name) => !without.includes(`${service}.${name}`));
      const definition = {};
      const handlers = {};
      for (const name of known) {
        const responseStream = STREAMS.has(name);
        const callPath = `/expd.v1.${service}/${name}`;
        const serializers = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
        definition[name] = { path: callPath, requestStream: false, responseStream, ...serializers };
        const changed = (answer) => change(`${service}.${name}`, answer);
        handlers[name] = responseStream ? other.#stream(callPath, changed) : other.#call(callPath, changed);
      }
      other.server.addService(definition, handlers);
    }
    await new Promise((resolve, reject) => {
      other.server.bindAsync(`unix:${other.socket}`, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    return other;
  }

  #call(callPath, changed) {
    return (call, callback) =>
      this.behind.makeUnaryRequest(callPath, bytes, bytes, call.request, new grpc.Metadata(), {}, (error, answer) =>
        error ? callback(error) : callback(null, changed(answer)[0]),
      );
  }

  #stream(callPath, changed) {
    return (call) => {
      const stream = this.behind.makeServerStreamRequest(callPath, bytes, bytes, call.request);
      stream.on('data', (answer) => changed(answer).forEach((one) => call.write(one)));
      stream.on('error', (error) => call.destroy(error));
      call.on('cancelled', () => stream.cancel());
    };
  }

  stop() {
    this.behind.close();
    this.server.forceShutdown();
  }
}
