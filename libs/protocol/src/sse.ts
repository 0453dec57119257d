/** One server-sent event (HTML standard, section 9.2): here always event `document`, id = `seq`, data = the document. */
export interface ServerSentEvent {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** Text of one event; several lines of data are sent as several fields, as the standard wants it. */
export function formatEvent({ event, id, data }: ServerSentEvent): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `event: ${oneLine(event)}\nid: ${oneLine(id)}\n${lines.join('')}\n`;
}

/** A comment that keeps the connection alive and tells the reader that the writer is. */
export function heartbeat(): string {
  return ': heartbeat\n\n';
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, '');
}

/**
 * Parser for a stream that arrives in pieces. Holds at most one unfinished event of `maximumBytes` (UTF-16 units, comments included) and
 * throws a RangeError beyond that: the stream is then to be closed.
 */
export class EventStreamParser {
  readonly #maximum: number;
  #pieces: string[] = [];
  #pending = 0;
  #atStart = true;
  #sawReturn = false;
  #event = '';
  #data: string[] = [];
  #size = 0;
  #id = '';

  constructor(maximumBytes: number) {
    this.#maximum = maximumBytes;
  }

  /** Events that this piece of text completes, in order. */
  push(chunk: string): ServerSentEvent[] {
    const found: ServerSentEvent[] = [];
    let from = this.#skipLead(chunk);
    for (let end = lineEnd(chunk, from); end >= 0; end = lineEnd(chunk, from)) {
      this.#line(this.#whole(chunk.slice(from, end)), found);
      from = end + 1;
      if (chunk[end] === '\r') {
        if (chunk[from] === '\n') from += 1;
        else this.#sawReturn = from === chunk.length;
      }
    }
    this.#keep(chunk.slice(from));
    return found;
  }

  /** A byte order mark at the very start, and the second half of a CRLF that was cut between two pieces. */
  #skipLead(chunk: string): number {
    if (chunk === '') return 0;
    let from = 0;
    if (this.#atStart && chunk.startsWith('\uFEFF')) from = 1;
    if (this.#sawReturn && chunk.startsWith('\n')) from = 1;
    this.#atStart = false;
    this.#sawReturn = false;
    return from;
  }

  #keep(rest: string): void {
    if (rest === '') return;
    this.#pending += rest.length;
    this.#check(this.#pending);
    this.#pieces.push(rest);
  }

  #whole(tail: string): string {
    this.#check(this.#pending + tail.length);
    if (this.#pieces.length === 0) return tail;
    const line = this.#pieces.join('') + tail;
    this.#pieces = [];
    this.#pending = 0;
    return line;
  }

  #check(line: number): void {
    if (this.#size + line > this.#maximum)
      throw new RangeError(
        `an event of the stream is larger than ${this.#maximum} bytes; it was not read further; the peer must export less`,
      );
  }

  #line(line: string, found: ServerSentEvent[]): void {
    if (line === '') {
      this.#dispatch(found);
      return;
    }
    this.#size += line.length;
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const skip = line[colon + 1] === ' ' ? 2 : 1;
    this.#field(name, colon < 0 ? '' : line.slice(colon + skip));
  }

  #field(name: string, value: string): void {
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(found: ServerSentEvent[]): void {
    if (this.#data.length > 0) {
      found.push({ event: this.#event === '' ? 'message' : this.#event, id: this.#id, data: this.#data.join('\n') });
    }
    this.#event = '';
    this.#data = [];
    this.#size = 0;
  }
}

/** Next line break, or -1. One search for both kinds: looking for each alone would scan the rest of the piece once a line. */
function lineEnd(text: string, from: number): number {
  const lineBreak = /[\r\n]/g;
  lineBreak.lastIndex = from;
  return lineBreak.test(text) ? lineBreak.lastIndex - 1 : -1;
}
