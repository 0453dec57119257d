import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';

/** Header, question, and one address: a pointer to the name, A, IN, a minute. */
function addressRecord(address: readonly number[]): Buffer {
  return Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address]);
}

/** A label that says where the name leads: `at-192-0-2-7`. */
const leading = /^at-(\d+)-(\d+)-(\d+)-(\d+)$/;

/** Says of `at-192-0-2-7.invalid` that it leads to 192.0.2.7, of names that begin with `silent` nothing at all, of others that there is none. */
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
      const label = question.subarray(13, 13 + (question[12] ?? 0)).toString();
      const address = leading.exec(label)?.slice(1).map(Number);
      const end = question.indexOf(0, 12) + 5;
      const answer = Buffer.from(question.subarray(0, end));
      const isA = answer.readUInt16BE(end - 4) === 1;
      // QR, RD, RA; RCODE 3 = no such name, 0 = there is. No more than the question and one answer: no EDNS.
      answer.writeUInt16BE(address === undefined ? 0x8183 : 0x8180, 2);
      answer.writeUInt16BE(address !== undefined && isA ? 1 : 0, 6);
      answer.writeUInt32BE(0, 8);
      socket.send(
        address !== undefined && isA ? Buffer.concat([answer, addressRecord(address)]) : answer,
        from.port,
        from.address,
      );
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
