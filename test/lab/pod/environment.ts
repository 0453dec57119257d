import { configError, fieldValue, resourceValue } from './facts.js';
import type { PodFacts } from './facts.js';
import type { Container, EnvFrom, EnvVar, KeySelector } from './pod-types.js';

export type Environment = Readonly<Record<string, string>>;

const validName = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/**
 * Variables of a container: what the node gives, then envFrom, then env in their order, each able to use those before it.
 * @throws NotYet when a ConfigMap, Secret or key that isn't optional is missing
 */
export function environmentOf(container: Container, facts: PodFacts, given: Environment): Environment {
  const variables: Record<string, string> = { ...given };
  for (const source of container.envFrom ?? []) Object.assign(variables, fromSource(source, facts));
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, container, facts, variables);
    if (value !== undefined) variables[variable.name] = value;
  }
  return variables;
}

function valueOf(variable: EnvVar, container: Container, facts: PodFacts, variables: Environment): string | undefined {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', variables);
  if (from.fieldRef !== undefined) return fieldValue(facts, from.fieldRef.fieldPath);
  if (from.resourceFieldRef !== undefined) return resourceValue(facts, from.resourceFieldRef, container);
  if (from.configMapKeyRef !== undefined) {
    const { name } = from.configMapKeyRef;
    return selected('ConfigMap', from.configMapKeyRef, facts.configMap(name)?.data);
  }
  if (from.secretKeyRef === undefined) return '';
  return selected('Secret', from.secretKeyRef, decoded(facts.secret(from.secretKeyRef.name)?.data));
}

function selected(kind: string, selector: KeySelector, data: Environment | undefined): string | undefined {
  const value = data?.[selector.key];
  if (value !== undefined || selector.optional === true) return value;
  if (data === undefined) throw configError(`${kind} ${selector.name} is not there`);
  throw configError(`${kind} ${selector.name} has no key ${selector.key}`);
}

function fromSource(source: EnvFrom, facts: PodFacts): Environment {
  const reference = source.configMapRef ?? source.secretRef;
  if (reference === undefined) return {};
  const kind = source.configMapRef === undefined ? 'Secret' : 'ConfigMap';
  const object = source.configMapRef === undefined ? facts.secret(reference.name) : facts.configMap(reference.name);
  if (object === undefined && reference.optional !== true) throw configError(`${kind} ${reference.name} is not there`);
  const data = source.configMapRef === undefined ? decoded(object?.data) : object?.data;
  const named = Object.entries(data ?? {}).map(([key, value]) => [`${source.prefix ?? ''}${key}`, value] as const);
  return Object.fromEntries(named.filter(([name]) => validName.test(name)));
}

function decoded(data: Environment | undefined): Environment | undefined {
  if (data === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

/** `$(NAME)` replaced where NAME is known, `$$` read as `$`, as Kubernetes does in env values, command and args. */
export function expand(text: string, variables: Environment): string {
  return text.replaceAll(/\$(\$|\(([^()]*)\))/g, (whole, escaped: string, name: string | undefined) => {
    if (escaped === '$') return '$';
    return (name === undefined ? undefined : variables[name]) ?? whole;
  });
}
