// A Unix socket in front of the daemon's, which a test cuts.
import net from 'node:net';
import path from 'node:path';

export class Wire {
  #sockets = new Set();

  static async to(world) {
    const wire = new Wire();
    wire.socket = path.join(world.room, `wire-${Math.random().toString(36).slice(2)}.sock`);
    wire.server = net.createServer((near) => {
      const far = net.connect(world.socket);
      for (const [one, other] of [[near, far], [far, near]]) {
        wire.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          wire.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise((resolve) => wire.server.listen(wire.socket, resolve));
    return wire;
  }

  /** Breaks every connection; new ones are taken. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
