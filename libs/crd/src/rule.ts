import type { z } from 'zod';

/** One rule in two languages: CEL for the API server, a predicate for us; the admission table proves that they agree. */
export interface Rule<T> {
  readonly cel: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
  /** Field below the schema's own that the rule blames. */
  readonly field?: string;
  readonly holds: (value: T) => boolean;
}

/** Adds rules and a description to a schema; must be the last step, since zod drops metadata when a schema is refined. */
export function withRules<S extends z.ZodType>(
  schema: S,
  description: string,
  rules: readonly Rule<z.output<S>>[],
  extensions: Readonly<Record<string, unknown>> = {},
): S {
  const refined = schema.superRefine((value, context) => {
    for (const rule of rules) {
      if (rule.holds(value)) continue;
      context.addIssue({
        code: 'custom',
        message: rule.message,
        path: rule.field === undefined ? [] : rule.field.split('.'),
      });
    }
  });
  const cel = rules.map(({ cel: text, message, field }) => ({
    rule: text,
    message,
    ...(field === undefined ? {} : { fieldPath: `.${field}` }),
  }));
  return refined.meta({
    description,
    ...(cel.length === 0 ? {} : { 'x-kubernetes-validations': cel }),
    ...extensions,
  });
}
