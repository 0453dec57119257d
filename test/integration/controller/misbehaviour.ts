import type { Answer } from './peer-server.js';

const type = { 'content-type': 'application/json' };

/** A body that never ends, as fast as the reader takes it. */
export function endless(headers: Readonly<Record<string, string>> = type, lead = '{"a":"'): Answer {
  return (response) => {
    const piece = 'x'.repeat(64 * 1024);
    response.writeHead(200, headers);
    response.write(lead);
    const pump = (): void => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', pump);
    };
    pump();
  };
}

/** The right document, one byte a second. */
export function slow(text: string): Answer {
  return (response) => {
    response.writeHead(200, { ...type, 'content-length': String(Buffer.byteLength(text)) });
    let at = 0;
    const timer = setInterval(() => response.write(text.slice(at, (at += 1))), 1000);
    response.on('close', () => clearInterval(timer));
  };
}

/** Half of the document, then the connection breaks. */
export function cutOff(text: string): Answer {
  return (response) => {
    response.writeHead(200, { ...type, 'content-length': String(Buffer.byteLength(text)) });
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
  };
}

/** Never answers at all. */
export const silent: Answer = () => undefined;

export function plain(text: string, contentType = 'application/json'): Answer {
  return (response) => void response.writeHead(200, { 'content-type': contentType }).end(text);
}

export function redirect(location: string): Answer {
  return (response) => void response.writeHead(302, { location }).end();
}

/** `levels` lists in one another. */
export function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels);
}
