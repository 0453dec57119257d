import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, it } from '@jest/globals';
import { IstioCertificateRequestSchema } from '#proto-gen/istio/v1/auth/ca_pb';
import { brokenText, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import { buildCsr, generateCa, loadCa, longestTtlSeconds, parseCertificate } from '#trust';
import { CertificateAuthority } from '../certificates/certificate-authority.js';
import { certificateServiceDefinition } from './methods.js';

const now = Date.UTC(2026, 0, 1);
const files = generateCa({ trustDomain: 'a', now, algorithm: 'ec', serial: Buffer.alloc(16, 1) });
const maxTtlSeconds = 7200;
const authority = new CertificateAuthority(loadCa(files, now), {
  trustDomain: 'a',
  clock: { now: () => now },
  maxTtlSeconds,
});
const { requestDeserialize } = certificateServiceDefinition.CreateCertificate;
const holder = { namespace: 'demo', serviceAccount: 'client' };
const keys = [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, createPrivateKey(files['ca-key.pem'])];
const requests = keys.map(buildCsr);
const lifetimes = [0n, 60n, 7200n, 86_400n, BigInt(longestTtlSeconds) + 1n, -1n, 2n ** 62n];

describe('requests for a certificate', () => {
  it(
    'any bytes: a certificate for the caller as its token proved it and for no longer than is allowed, or one sentence that names the field',
    () =>
      fuzzBothWays((dice) => {
        const asked = dice.next(8) === 0 ? dice.pick(requests) : brokenText(dice, dice.pick(requests));
        const message = create(IstioCertificateRequestSchema, { csr: asked, validityDuration: dice.pick(lifetimes) });
        const bytes = Buffer.from(toBinary(IstioCertificateRequestSchema, message));
        if (dice.next(3) === 0) bytes[dice.next(bytes.length)] = dice.next(256);
        const request = readOr(
          () => requestDeserialize(dice.next(8) === 0 ? bytes.subarray(0, dice.next(bytes.length)) : bytes),
          ({ name, message: why }) => name !== 'TypeError' || /not valid for encoding utf-8/.test(why),
        );
        if (request === undefined) return false;
        const issued = readOr(
          () => authority.issue(request.csr, Number(request.validityDuration), holder),
          ({ message: why }) => /^(csr|validity_duration): .{1,200}$/.test(why),
        );
        if (issued === undefined) return false;
        const { uris, notAfter, isCA } = parseCertificate(issued.chain[0] ?? '');
        if (uris.join() !== 'spiffe://a/ns/demo/sa/client' || isCA) throw new Error(uris.join());
        if (notAfter > now + maxTtlSeconds * 1000) throw new Error(`ends ${notAfter}`);
        return true;
      }),
    fuzzLimitMs,
  );
});
