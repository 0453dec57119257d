import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';

/** Says of every name that there is none, and of names that begin with `silent` nothing at all. */
export class NameServer {
  private constructor(
    private readonly socket: Socket,
    /** Its address; the port is 53, as resolv.conf knows no other. */
    readonly address: string,
  ) {}

  /** On a loopback address of its own: another run on this machine may have one too. */
  static async start(): Promise<NameServer> {
    for (let attempt = 1; ; attempt += 1) {
      const address = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}.77`;
      try {
        return await NameServer.at(address);
      } catch (error) {
        if (attempt === 20 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
    }
  }

  private static async at(address: string): Promise<NameServer> {
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
      socket.bind(53, address, done);
    });
    return new NameServer(socket, address);
  }

  stop(): void {
    this.socket.close();
  }
}
