/** The admin page and its endpoints (design §10). Bound to loopback by default; it has no authentication of its own. */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { Config, TcpAddress } from '../../shared/config.ts';
import { ListenError, ThreadError, toError } from '../../shared/errors.ts';
import { Limits } from '../../shared/limits.ts';
import type { FaultKind } from '../fault-hook.ts';
import { FaultKinds } from '../fault-hook.ts';
import type { Listener } from '../listener.ts';
import type { Supervisor } from '../supervisor.ts';
import { dashboard } from './dashboard.ts';
import { Metrics } from './metrics.ts';
import { probe } from './probe.ts';
import type { Reporter } from './report.ts';

export interface Admin {
  readonly address: TcpAddress;
  close(): Promise<void>;
}

export interface AdminParts {
  readonly reporter: Reporter;
  readonly supervisor: Supervisor;
  readonly listener: Listener;
  readonly config: Config;
}

/** @throws ListenError when the address cannot be had. */
export async function startAdmin(address: TcpAddress, parts: AdminParts): Promise<Admin> {
  const server = fastify({ forceCloseConnections: true, routerOptions: { maxParamLength: 100 } });
  refuseBadRequests(server);
  addHealth(server, parts);
  addReports(server, parts);
  addCommands(server, parts);
  if (parts.config.faults.includes('admin')) addFaults(server, parts.supervisor);
  try {
    await server.listen({ host: address.host, port: address.port });
  } catch (thrown) {
    const error: Error & { readonly code?: string } = toError(thrown);
    const why = error.code === 'EADDRINUSE' ? 'already in use by another process' : error.message;
    throw new ListenError(`cannot listen on ${address.host}:${address.port} (--admin): ${why}`, thrown);
  }
  const { port } = server.server.address() as AddressInfo;
  return { address: { host: address.host, port }, close: () => server.close() };
}

/** Errors are JSON; bodies are not looked at; a page of another site cannot command us. */
function refuseBadRequests(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, body, done) => {
    body.resume();
    body.on('end', () => done(null));
  });
  server.addHook('onRequest', async (request, reply) => {
    const { origin, host } = request.headers;
    if (request.method !== 'GET' && origin !== undefined && URL.canParse(origin) && new URL(origin).host !== host) {
      await reply.code(403).send({ error: 'requests from other sites are refused' });
    }
  });
  server.setNotFoundHandler(async (request, reply) => {
    await reply.code(404).send({ error: `no such endpoint: ${request.method} ${request.url.split('?', 1)[0]}` });
  });
  server.setErrorHandler(async (thrown, _request, reply) => {
    const error: Error & { readonly statusCode?: number } = toError(thrown);
    const code = error instanceof ThreadError ? 503 : (error.statusCode ?? 500);
    await reply.code(code).send({ error: error.message });
  });
}

function addHealth(server: FastifyInstance, { reporter, listener, config }: AdminParts): void {
  server.get('/healthz', async (_request, reply) => {
    const accepting = reporter.accepting();
    await reply.code(accepting ? 200 : 503).send({ status: accepting ? 'ok' : 'not accepting' });
  });
  let probing: Promise<string | null> | undefined;
  server.get('/readyz', async (_request, reply) => {
    probing ??= probe(listener, config).finally(() => {
      probing = undefined;
    });
    const failure = await probing;
    await reply
      .code(failure === null ? 200 : 503)
      .send(failure === null ? { status: 'ready' } : { status: 'not ready', error: failure });
  });
}

function addReports(server: FastifyInstance, { reporter, supervisor }: AdminParts): void {
  const metrics = new Metrics();
  server.get('/status', async () => reporter.status());
  server.get('/history', async () => reporter.history.document());
  server.get('/metrics', async (_request, reply) => {
    await reply.type(metrics.contentType).send(await metrics.scrape(reporter, supervisor));
  });
  server.get('/', async (_request, reply) => {
    await reply.type('text/html; charset=utf-8').headers(dashboard.headers).send(dashboard.html);
  });
}

function addCommands(server: FastifyInstance, { supervisor }: AdminParts): void {
  server.get<{ Querystring: Readonly<Record<string, unknown>> }>('/explain', async (request, reply) => {
    const { sql } = request.query;
    if (typeof sql !== 'string' || sql.trim() === '') {
      await reply.code(400).send({ error: 'give one statement: /explain?sql=SELECT…' });
    } else if (Buffer.byteLength(sql) > Limits.statementBytesMax) {
      await reply.code(400).send({ error: `the statement is longer than ${Limits.statementBytesMax} bytes` });
    } else {
      await reply.send(await supervisor.cacheCalls().explain(sql));
    }
  });
  server.post('/flush', async () => ({ flushed: await supervisor.cacheCalls().flush() }));
}

/** `POST /fault/cache-throw` and the like; only with `faults = ["admin"]`, which is for tests. */
function addFaults(server: FastifyInstance, supervisor: Supervisor): void {
  server.post<{ Params: { readonly name: string } }>('/fault/:name', async (request, reply) => {
    if (request.params.name === 'worker-release') {
      await reply.send({ asked: supervisor.balancer?.releaseAll() ?? 0 });
      return;
    }
    const [target, kind] = request.params.name.split('-');
    if ((target !== 'cache' && target !== 'worker') || !isFaultKind(kind)) {
      await reply.code(400).send({ error: `faults: cache-KIND or worker-KIND, KIND one of ${FaultKinds.join(', ')}` });
    } else {
      await reply.code(supervisor.fault(target, kind) ? 200 : 503).send({ fault: request.params.name });
    }
  });
}

function isFaultKind(kind: string | undefined): kind is FaultKind {
  return FaultKinds.some((known) => known === kind);
}
