// The contract without the library's promises: calls and messages of the installed package, with
// those that it does not use.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const lib = path.join(path.dirname(require.resolve('expd')), 'lib');

export const { Connection, methods: used } = require(path.join(lib, 'connection.js'));
export const { v1 } = require(path.join(lib, 'contract.js')).expd;
export const grpc = createRequire(path.join(lib, 'connection.js'))('@grpc/grpc-js');

export const methods = {
  ...used,
  cancelListener: {
    name: 'Network.CancelListener',
    path: '/expd.v1.Network/CancelListener',
    encode: (message) => v1.CancelListenerRequest.encode(message).finish(),
    decode: (bytes) => v1.CancelListenerResponse.decode(bytes),
  },
};
