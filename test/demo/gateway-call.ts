// One TLS connection to an east-west gateway with a certificate and SNI of our choice, as an attacker (or a sidecar) would open it;
// then HTTP/1.1 requests over it. Prints one JSON line per answer; `refused` is an alert, a reset or a close, `silent` that nothing came in
// time: that is no refusal. `--hold` keeps asking on the same connection until it is refused.
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    gateway: { type: 'string', default: '' },
    sni: { type: 'string', default: '' },
    cert: { type: 'string', default: '' },
    key: { type: 'string', default: '' },
    host: { type: 'string', default: '' },
    hold: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '15000' },
  },
});
const [host = '', port = '15443'] = values.gateway.split(':');

function tell(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

const socket = connect({
  host,
  port: Number(port),
  servername: values.sni,
  ALPNProtocols: ['istio-http/1.1'],
  cert: readFileSync(values.cert),
  key: readFileSync(values.key),
  rejectUnauthorized: false,
});
let text = '';
let answers = 0;

function ask(): void {
  socket.write(
    `GET /demo HTTP/1.1\r\nhost: ${values.host}\r\nx-forwarded-client-cert: URI=spiffe://forged/ns/a/sa/admin\r\n\r\n`,
  );
}

/** Takes one whole HTTP/1.1 answer off the text, if there is one. */
function take(): { status: number; body: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
  const rest = text.slice(end + 4);
  const chunked = /transfer-encoding: chunked/i.test(head);
  if (chunked ? !rest.includes('0\r\n\r\n') : rest.length < length) return undefined;
  const status = Number(head.split(' ')[1]);
  const body = chunked ? rest.slice(0, rest.indexOf('0\r\n\r\n')) : rest.slice(0, length);
  text = chunked ? rest.slice(rest.indexOf('0\r\n\r\n') + 5) : rest.slice(length);
  return { status, body };
}

socket.setEncoding('utf8');
socket.on('secureConnect', ask);
socket.on('data', (chunk) => {
  text += String(chunk);
  for (let answer = take(); answer !== undefined; answer = take()) {
    answers += 1;
    silence.refresh();
    tell({ status: answer.status, answers, body: answer.body.slice(0, 2000) });
    if (!values.hold || answer.status !== 200) process.exit(0);
    setTimeout(ask, 50);
  }
});
socket.on('error', (error) => {
  tell({ refused: error.message, answers });
  process.exit(0);
});
socket.on('close', () => {
  tell({ refused: 'connection closed', answers });
  process.exit(0);
});
/** Measured from the last answer. */
const silence = setTimeout(() => {
  tell({ silent: `no answer within ${values.timeout} ms`, answers });
  process.exit(0);
}, Number(values.timeout));
