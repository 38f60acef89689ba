// The network service of the daemon, from the contract in proto/.
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync('expd/v1/network.proto', {
  includeDirs: [path.join(__dirname, '../../proto')],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { Network } = grpc.loadPackageDefinition(definition).expd.v1;

const socket = process.env.EXPD_SOCKET || '/run/expd/expd.sock';
exports.network = new Network(`unix:${socket}`, grpc.credentials.createInsecure());
exports.UNAVAILABLE = grpc.status.UNAVAILABLE;
