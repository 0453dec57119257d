import { z } from 'zod';
import { matching, withRules } from './rule.js';

/** Patterns are RE2 and JavaScript alike: the API server and zod must read them the same. */
export const dnsNamePattern = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
const hostPattern = '^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+$';
const portPattern = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';
const endpointPattern = `^https://(\\[[0-9a-fA-F:.]+\\]|[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?)(:${portPattern})?/[^?#\\s]*$`;

export const trustDomain = matching(
  z
    .string()
    .min(1, { error: 'is empty: give the SPIFFE trust domain of the peer' })
    .max(255, { error: 'is longer than 255 characters (SPIFFE ID, section 2.1)' }),
  /^[0-9a-zA-Z._-]+$/,
  'may hold letters, digits, dots, dashes and underscores only; leave out "spiffe://" and any path',
);

export const clusterDomain = matching(
  z
    .string()
    .min(1, { error: 'is empty: leave the field out to use the trust domain' })
    .max(200, { error: 'is longer than 200 characters' }),
  new RegExp(dnsNamePattern),
  'must be a lower-case DNS name such as cluster-b.example',
);

export const metadataEndpoint = matching(
  z.string().max(2048, { error: 'is longer than 2048 characters' }),
  new RegExp(endpointPattern),
  'must be https://host[:port]/path without user, query or fragment, for example https://mesh.example.org/metadata',
).meta({ description: "Base URL of the peer's metadata API: https://host[:port]/path." });

const host = z.string().max(253, { error: 'is longer than 253 characters' });
const hostForm =
  'must be a full host name such as echo.demo.svc.cluster-b.example, or begin with "*." for all names below';

/** Where hosts are named: an exact name, or `*.` and a suffix. */
export const hostList = (description: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  stringSet(matching(host, new RegExp(hostPattern), hostForm), 512, description).optional();

/** The same in a list of lists, for which CEL would cost the API server more than it spends on a rule. */
export const innerHostList = (description: string): z.ZodArray<z.ZodString> =>
  stringSet(host.regex(new RegExp(hostPattern), { error: hostForm }), 512, description);

export const namespaceName = matching(
  z.string().max(63, { error: 'is longer than 63 characters' }),
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  'must be the name of a namespace: lower-case letters, digits and dashes',
);

/** A list whose items are unique, also for server-side apply. */
export function stringSet(item: z.ZodString, most: number, description: string): z.ZodArray<z.ZodString> {
  const list = z.array(item).max(most, { error: `holds more than ${most} items` });
  const unique = list.superRefine((values, context) => {
    const twice = values.find((value, index) => values.indexOf(value) !== index);
    if (twice !== undefined) context.addIssue({ code: 'custom', message: `names ${twice} twice: leave one out` });
  });
  return unique.meta({ description, 'x-kubernetes-list-type': 'set' });
}

const fingerprint = matching(
  z.string().max(71, { error: 'is longer than a SHA-256 fingerprint' }),
  /^sha256:[0-9a-f]{64}$/,
  'must be "sha256:" and 64 lower-case hex digits, as status.peer shows them',
);

export const pins = z
  .object({
    roots: stringSet(fingerprint, 50, 'SHA-256 of the DER of each acceptable root certificate.').optional(),
    keys: stringSet(
      fingerprint,
      50,
      'SHA-256 of the DER SubjectPublicKeyInfo of each acceptable signing key.',
    ).optional(),
  })
  .meta({
    description:
      'What the peer must show at first contact, and approvals of later changes. Without pins first contact is blind.',
  });

export const metadata = withRules(
  z.object({
    ca: matching(
      z.string().max(262_144, { error: 'is longer than 256 KiB' }),
      /-----BEGIN CERTIFICATE-----/,
      'must hold PEM certificates (-----BEGIN CERTIFICATE-----)',
    )
      .optional()
      .meta({ description: "PEM certificates that vouch for the metadata API's server certificate." }),
    insecureSkipVerify: z
      .boolean()
      .default(false)
      .meta({ description: 'Accept any server certificate. Without pins a peer can then be impersonated.' }),
  }),
  'How the metadata endpoint is verified; default: the certificate authorities of the container.',
  [
    {
      cel: '!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)',
      message: 'ca and insecureSkipVerify contradict each other: remove insecureSkipVerify to verify with ca',
      field: 'insecureSkipVerify',
      holds: ({ ca, insecureSkipVerify }) => ca === undefined || !insecureSkipVerify,
    },
  ],
);

export const revoked = z.boolean().default(false).meta({
  description:
    'Withdraws all trust within seconds: nothing of the peer is imported, accepted or served, and what it holds open is cut. What was learnt of it is kept, so that setting this to false gives trust back.',
});
