/**
 * The floor of a miss: bytes in, bytes out, one connection to the origin for each client, nothing looked at.
 * `node relay-server.ts PORT SOCKET-FILE ORIGIN-PORT`
 */
import { connect, createServer, type Socket } from 'node:net';

const [port, socketFile, originPort] = process.argv.slice(2);

/** Passes on what `from` sends, and holds `from` back while `to` is full. */
function passOn(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroySoon());
}

function serve(client: Socket): void {
  const origin = connect({ port: Number(originPort), host: '127.0.0.1', noDelay: true });
  passOn(client, origin);
  passOn(origin, client);
}

let listening = 0;
const onListening = (): void => {
  if (++listening === 2) process.stdout.write('ready\n');
};
createServer({ noDelay: true, allowHalfOpen: true }, serve).listen(Number(port), '127.0.0.1', onListening);
createServer({ allowHalfOpen: true }, serve).listen(socketFile, onListening);
