import { z } from 'zod';
import { withRules } from './rule.js';

const requirement = withRules(
  z.object({
    key: z.string().min(1, { error: 'is empty: name a label' }).max(317),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: z.array(z.string().max(63)).max(64).optional().meta({ 'x-kubernetes-list-type': 'atomic' }),
  }),
  'One requirement on a label.',
  [
    {
      cel: "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
      message: 'In and NotIn need values; Exists and DoesNotExist take none',
      field: 'values',
      holds: ({ operator, values }) => ['In', 'NotIn'].includes(operator) === (values ?? []).length > 0,
    },
  ],
);

/** Kubernetes' label selector (`metav1.LabelSelector`). */
export const labelSelector = z
  .object({
    matchLabels: z.record(z.string(), z.string()).optional(),
    matchExpressions: z.array(requirement).max(64).optional().meta({ 'x-kubernetes-list-type': 'atomic' }),
  })
  .meta({ description: 'Only Services with these labels.', 'x-kubernetes-map-type': 'atomic' });
