import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiObject, Lab, LabCluster } from '../../lab/index.js';

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs?: readonly string[];
}

interface Role extends ApiObject {
  readonly rules?: readonly Rule[];
}

interface AuditEvent {
  /** Whose rights were asked for, where that is not the caller: a multicluster peer's. */
  readonly impersonatedUser?: object;
  readonly user?: { readonly username?: string };
  readonly verb?: string;
  readonly requestURI?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly apiGroup?: string;
    readonly namespace?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}

/** `role namespace group resource verb` of everything granted, and who may use it. */
interface Grant {
  readonly account: string;
  readonly namespace: string | undefined;
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
}

/** What of the chart's rights our service accounts were refused, and what they never used, by the API server's own audit log. */
export async function unusedGrants(
  lab: Lab,
  cluster: LabCluster,
): Promise<{ readonly forbidden: readonly string[]; readonly idle: readonly string[] }> {
  const events = readFileSync(join(lab.directory, cluster.name, 'logs/audit.log'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as AuditEvent] : []))
    .filter(({ user }) => user?.username?.includes(':isthmus-') === true);
  const forbidden = events
    .filter(({ responseStatus, impersonatedUser }) => responseStatus?.code === 403 && impersonatedUser === undefined)
    .map((event) => `${accountOf(event)} ${event.verb} ${event.requestURI}`);
  const grants = await grantsOf(cluster);
  const idle = grants
    .filter((grant) => !events.some((event) => uses(event, grant)))
    .map((grant) => Object.values(grant).join(' '));
  return { forbidden: [...new Set(forbidden)], idle };
}

function accountOf(event: AuditEvent): string {
  return event.user?.username?.split(':').at(-1) ?? '';
}

function uses(event: AuditEvent, grant: Grant): boolean {
  if (accountOf(event) !== grant.account) return false;
  // A request in a peer's name asks for one right of ours: to act as its account. The rest are the peer's.
  if (event.impersonatedUser !== undefined) return isImpersonation(grant);
  // Server-side apply of something new is a patch that needs the right to create.
  return (
    isAbout(event, grant) &&
    (event.verb === grant.verb ||
      (grant.verb === 'create' && event.verb === 'patch' && event.responseStatus?.code === 201))
  );
}

function isAbout({ objectRef }: AuditEvent, grant: Grant): boolean {
  const { resource = '', subresource, apiGroup = '', namespace } = objectRef ?? {};
  const whole = subresource === undefined ? resource : `${resource}/${subresource}`;
  const placed = grant.namespace === undefined || namespace === grant.namespace;
  return placed && whole === grant.resource && apiGroup === grant.group;
}

function isImpersonation({ resource, verb }: Grant): boolean {
  return resource === 'serviceaccounts' && verb === 'impersonate';
}

async function grantsOf(cluster: LabCluster): Promise<readonly Grant[]> {
  const paths = ['/apis/rbac.authorization.k8s.io/v1/clusterroles', '/apis/rbac.authorization.k8s.io/v1/roles'];
  const lists = await Promise.all(paths.map((path) => cluster.api.list<Role>(path)));
  // What peers may read here is a list by contract, whether they read all of it or not.
  const ours = lists
    .flatMap(({ items }) => items)
    .filter(({ metadata: { name } }) => name.startsWith('isthmus-') && !name.startsWith('isthmus-peer-'));
  return ours.flatMap(({ metadata, rules = [] }) =>
    rules.flatMap(({ apiGroups = [], resources = [], verbs = [] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb): Grant => ({
            account: metadata.name,
            namespace: metadata.namespace,
            group,
            resource,
            verb,
          })),
        ),
      ),
    ),
  );
}
