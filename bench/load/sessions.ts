/** Many sessions that log in and then say nothing. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Target } from './pgbench.ts';

const loginsAtOnce = 16;
const loginMsMax = 60_000;
const protocol3 = 196_608;
/** ReadyForQuery, idle ("Message Formats"). */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

function startupPacket(user: string, database: string): Buffer {
  const parameters = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const packet = Buffer.alloc(8 + parameters.length);
  packet.writeInt32BE(packet.length, 0);
  packet.writeInt32BE(protocol3, 4);
  parameters.copy(packet, 8);
  return packet;
}

/** A session that has heard its first ReadyForQuery. @throws when it is refused. */
export async function logIn({ port, host, database }: Target, user = 'postgres'): Promise<Socket> {
  const socket = connect({ port, host });
  try {
    await once(socket, 'connect');
    socket.write(startupPacket(user, database));
    const signal = AbortSignal.timeout(loginMsMax);
    let answer = Buffer.alloc(0);
    while (!answer.subarray(-readyForQuery.length).equals(readyForQuery)) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
      answer = Buffer.concat([answer, chunk]);
      if (answer[0] === 0x45) throw new Error(`login refused: ${answer.toString('latin1', 5)}`);
    }
    socket.on('error', () => socket.destroy());
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** @returns what closes them. @throws when one of them is refused. */
export async function openSessions(target: Target, count: number, user?: string): Promise<() => void> {
  const sockets: Socket[] = [];
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  try {
    while (sockets.length < count) {
      const batch = Math.min(loginsAtOnce, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: batch }, () => logIn(target, user)))));
    }
    return close;
  } catch (error) {
    close();
    throw error;
  }
}
