import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What happens to the bytes that the server sends back. Requests always get through, unless `refuse` or `reset`. */
export type Fault =
  | { readonly kind: 'none' }
  /** Each piece of the answer comes so much later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Open connections are reset, and so is each new one with its first byte. */
  | { readonly kind: 'reset' }
  /** The request arrives, the answer never comes, and the connection stays open. */
  | { readonly kind: 'halfOpen' }
  /** So many bytes of each answer, then the connection ends. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** One byte each so many milliseconds. */
  | { readonly kind: 'drip'; readonly everyMs: number }
  /** New connections are closed before a byte passes. */
  | { readonly kind: 'refuse' };

export interface FaultProxy {
  readonly port: number;
  /** Connections taken, requests' and answers' bytes passed. */
  readonly seen: { connections: number; up: number; down: number };
  /** Switches the fault; open connections feel it too. */
  set(fault: Fault): void;
  close(): Promise<void>;
}

/** A TCP proxy before a real server or double, with faults that can be switched while it runs. */
export async function startFaultProxy(upstream: {
  readonly host?: string;
  readonly port: number;
}): Promise<FaultProxy> {
  let fault: Fault = { kind: 'none' };
  const open = new Set<Socket>();
  const seen = { connections: 0, up: 0, down: 0 };

  const server = createServer({ noDelay: true, allowHalfOpen: false }, (client) => {
    seen.connections += 1;
    if (fault.kind === 'refuse') {
      client.destroy();
      return;
    }
    const target = connect({ host: upstream.host ?? '127.0.0.1', port: upstream.port, noDelay: true });
    const downstream = createDownstream(client, () => fault, seen);
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        // Half-open is the fault in which the client must not learn that the server has gone.
        if (fault.kind !== 'halfOpen' || socket === client) other.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (fault.kind === 'reset') {
        client.resetAndDestroy();
        return;
      }
      seen.up += bytes.length;
      target.write(bytes);
    });
    target.on('data', downstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listening on a TCP port, so the address is no pipe's name
  return {
    port,
    seen,
    set: (next) => {
      fault = next;
      if (next.kind === 'reset') for (const socket of open) socket.resetAndDestroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Passes answers on in order, as slowly or as incompletely as the fault of the moment says. */
function createDownstream(client: Socket, faultNow: () => Fault, seen: { down: number }): (bytes: Buffer) => void {
  let queue = Promise.resolve();
  let passed = 0;
  const pass = (bytes: Buffer): void => {
    if (client.destroyed) return;
    passed += bytes.length;
    seen.down += bytes.length;
    client.write(bytes);
  };
  const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  return (bytes) => {
    queue = queue.then(async () => {
      const fault = faultNow();
      if (fault.kind === 'halfOpen' || fault.kind === 'reset' || fault.kind === 'refuse') return;
      if (fault.kind === 'delay') await later(fault.ms);
      if (fault.kind === 'drip') {
        for (const byte of bytes) {
          if (client.destroyed) return;
          pass(Buffer.of(byte));
          await later(fault.everyMs);
        }
        return;
      }
      if (fault.kind === 'cut') {
        pass(bytes.subarray(0, Math.max(0, fault.afterBytes - passed)));
        if (passed >= fault.afterBytes) client.end();
        return;
      }
      pass(bytes);
    });
  };
}
