import type { z } from 'zod';

/** One rule in two languages: CEL for the API server, a predicate for us; the admission table proves that they agree, or where they don't. */
export interface Rule<T> {
  readonly cel: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
  /** Field below the schema's own that the rule blames. */
  readonly field?: string;
  /** Absent: refused at admission only. An object stored before the rule was there is read as it was, so that an upgrade takes nothing from it. */
  readonly holds?: (value: T) => boolean;
}

/**
 * A text of a form. The API server checks it by CEL, since of a `pattern` it would show the bare expression, without what to do about it.
 * The pattern must be RE2 and JavaScript alike and hold no single quote; the text needs a largest length before, by which CEL's cost is bounded.
 */
export function matching(text: z.ZodString, pattern: RegExp, error: string): z.ZodString {
  const rule = { rule: `self.matches(r'${pattern.source.replaceAll('\\/', '/')}')`, message: error };
  return text.regex(pattern, { error }).meta({ 'x-kubernetes-validations': [rule] });
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
      if (rule.holds?.(value) ?? true) continue;
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
