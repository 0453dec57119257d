import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { inlineKubeconfigAccess, KubeconfigRefusedError } from './inline-kubeconfig.js';

const pem = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
const keys = ['clusters', 'users', 'contexts', 'current-context', 'name', 'user', 'exec', 'tokenFile', '__proto__'];
const whole = {
  clusters: [
    { name: 'a', cluster: { server: 'https://h', 'certificate-authority-data': Buffer.from(pem).toString('base64') } },
  ],
  users: [{ name: 'a', user: { token: fuzzSecret } }],
  contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
  'current-context': 'a',
};
const flow = `{clusters: [{name: a, cluster: {server: "https://h"}}], users: [{name: a, user: {token: ${fuzzSecret}}}], contexts: [{context: {cluster: a, user: a}}]}`;
const block =
  'clusters: [{name: a, cluster: &c {server: "https://h"}}]\nusers: [{name: a, user: {token: t}}]\ncontexts:\n- context: {cluster: a, user: a}\n';

describe('kubeconfigs of remote Secrets', () => {
  it(
    'any text is access over https with that token alone, or refused without telling it',
    () =>
      fuzzBothWays((dice) => {
        const form = dice.next(4);
        const given =
          form === 0 ? JSON.stringify(brokenValue(dice, whole, keys)) : brokenText(dice, form === 1 ? block : flow);
        const access = readOr(
          () => inlineKubeconfigAccess(given),
          (error) => error instanceof KubeconfigRefusedError && error.message.length < 300,
        );
        if (access === undefined) return false;
        if (!access.server.startsWith('https://')) throw new Error(access.server);
        const { ca, ...rest } = access.tls();
        if (!Object.keys(rest).every((name) => name === 'servername')) throw new Error(JSON.stringify(rest));
        if (ca !== undefined && !String(ca).includes('CERTIFICATE')) throw new Error(String(ca));
        if (form === 0) mustBeUnused(given);
        return true;
      }),
    fuzzLimitMs,
  );
});

/** A text that names a program or a file and is taken all the same has them where no context leads. */
function mustBeUnused(given: string): void {
  const { users = [] } = JSON.parse(given) as { users?: readonly { name?: string; user?: Record<string, unknown> }[] };
  const used = users.find(({ name }) => name === 'a')?.user ?? {};
  for (const field of ['exec', 'tokenFile']) if (used[field]) throw new Error(`${field} is passed over: ${given}`);
}
