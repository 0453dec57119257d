import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';

/** Address of the name server that the controller under test asks; port 53, as resolv.conf knows no other. */
export const nameServer = '127.0.0.77';

/** Says of every name that there is none, and of names that begin with `silent` nothing at all. */
export class NameServer {
  private constructor(private readonly socket: Socket) {}

  static async start(): Promise<NameServer> {
    const socket = createSocket('udp4');
    socket.on('message', (question, from) => {
      if (question.subarray(13, 19).toString() === 'silent') return;
      const answer = Buffer.from(question);
      // QR, RD, RA; RCODE 3 = no such name. Header and question go back as they came.
      answer.writeUInt16BE(0x8183, 2);
      socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((done, fail) => {
      socket.once('error', fail);
      socket.bind(53, nameServer, done);
    });
    return new NameServer(socket);
  }

  stop(): void {
    this.socket.close();
  }
}
