import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands before a server and changes the words of its answers, as a version that nobody knows would have other ones. */
export interface RewritingProxy {
  readonly url: string;
  /** Where the real server is, once it is known; ends with `/kettle`. */
  upstream: string;
  rewrite: (body: string) => string;
}

export async function startRewritingProxy(): Promise<RewritingProxy> {
  const server = createServer((asked, response) => {
    const path = asked.url ?? '/';
    const sent = request(new URL(path, proxy.upstream), { method: asked.method, headers: asked.headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => (body += part));
      answer.on('end', () => {
        const type = answer.headers['content-type'] ?? 'text/xml;charset=utf-8';
        response.writeHead(answer.statusCode ?? 500, { 'Content-Type': type }).end(proxy.rewrite(body));
      });
    });
    sent.on('error', () => response.destroy()).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // listening on a TCP port, so the address is no pipe's name
  const proxy: RewritingProxy = { url: `http://127.0.0.1:${port}/kettle`, upstream: '', rewrite: (body) => body };
  return proxy;
}
