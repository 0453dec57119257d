import { z } from 'zod';
import { innerHostList } from './fields.js';
import { matching, withRules } from './rule.js';

/** What happens to imports while a peer is silent; see docs/spec/istiofederation.md. */
export const staleModes = ['Keep', 'DrainAfter', 'FailClosed'] as const;
export type StaleMode = (typeof staleModes)[number];

const after = matching(
  z
    .string()
    .min(2, { error: 'is empty: give a time such as 90s, 10m or 1h30m' })
    .max(20, { error: 'is longer than 20 characters' }),
  /^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$/,
  'must be a time such as 90s, 10m or 1h30m',
)
  .optional()
  .meta({
    description:
      'Silence after which the mode acts, such as 10m. Needed for DrainAfter; FailClosed without it acts after 1m.',
  });

const mode = z.enum(staleModes);
const needsAfter = {
  cel: "!has(self.mode) || self.mode != 'DrainAfter' || has(self.after)",
  message: 'DrainAfter needs the field after: give the silence to tolerate, for example after: 10m',
  field: 'after',
  holds: (value: { readonly mode?: StaleMode; readonly after?: string | undefined }): boolean =>
    value.mode !== 'DrainAfter' || value.after !== undefined,
};

const override = withRules(
  z.object({
    hosts: innerHostList('Hosts of this peer that the override is for; the first override that names a host counts.')
      .min(1, { error: 'is empty: name at least one host' })
      .meta({
        description: 'Hosts of this peer that the override is for; the first override that names a host counts.',
        'x-kubernetes-list-type': 'set',
      }),
    mode,
    after,
  }),
  'Another mode for some hosts.',
  [needsAfter],
);

export const stalePolicy = withRules(
  z.object({
    mode: mode.default('Keep').meta({
      description:
        'Keep: last good state stays. DrainAfter: its endpoints are withdrawn. FailClosed: so are they, and trust in the peer too.',
    }),
    after,
    overrides: z
      .array(override)
      .max(32, { error: 'holds more than 32 items' })
      .optional()
      .meta({ description: 'Exceptions by host.', 'x-kubernetes-list-type': 'atomic' }),
  }),
  'What happens while the peer is silent; default Keep.',
  [needsAfter],
);

/** Milliseconds of a time such as `1h30m`, as the schema admits it. */
export function durationMs(text: string): number {
  const [, hours = '0', minutes = '0', seconds = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}
