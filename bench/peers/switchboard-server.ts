/**
 * An origin for more clients than PostgreSQL has processes for: the user "idle" is let in by this server itself and gets an empty answer to
 * every query, everybody else is relayed to the real one. `node switchboard-server.ts PORT SOCKET-FILE ORIGIN-PORT`
 */
import { connect, createServer, type Socket } from 'node:net';

const [port, socketFile, originPort] = process.argv.slice(2);
/** Connections that wait to be accepted. */
const backlog = 4096;
const queryCode = 0x51;

function frame(code: string, body: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(code, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, Buffer.from(body, 'latin1')]);
}

const parameters = {
  ...{ server_version: '18.4', server_encoding: 'UTF8', client_encoding: 'UTF8', application_name: '' },
  ...{ DateStyle: 'ISO, MDY', IntervalStyle: 'postgres', TimeZone: 'UTC', integer_datetimes: 'on' },
  ...{ is_superuser: 'off', session_authorization: 'idle', standard_conforming_strings: 'on' },
};
const welcome = Buffer.concat([
  frame('R', '\0\0\0\0'),
  ...Object.entries(parameters).map(([name, value]) => frame('S', `${name}\0${value}\0`)),
  frame('K', '\0\0\0\x01\0\0\0\x02'),
  frame('Z', 'I'),
]);
const emptyAnswer = Buffer.concat([frame('I', ''), frame('Z', 'I')]);

function letIn(client: Socket): void {
  client.write(welcome);
  client.on('data', (chunk: Buffer) => {
    if (chunk[0] === queryCode) client.write(emptyAnswer);
  });
  client.on('end', () => client.end());
}

/** Passes on what `from` sends, and holds `from` back while `to` is full. */
function passOn(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('close', () => to.destroySoon());
}

function relay(client: Socket, first: Buffer): void {
  const origin = connect({ port: Number(originPort), host: '127.0.0.1', noDelay: true });
  origin.on('error', () => client.destroy());
  origin.write(first);
  passOn(client, origin);
  passOn(origin, client);
}

/** A startup packet is short and comes in one piece on loopback. */
function serve(client: Socket): void {
  client.on('error', () => client.destroy());
  client.once('data', (first: Buffer) => {
    if (first.includes('user\0idle\0')) letIn(client);
    else relay(client, first);
  });
}

let listening = 0;
const onListening = (): void => {
  if (++listening === 2) process.stdout.write('ready\n');
};
const options = { noDelay: true, allowHalfOpen: true };
createServer(options, serve).listen(Number(port), '127.0.0.1', backlog, onListening);
createServer(options, serve).listen(socketFile, onListening);
