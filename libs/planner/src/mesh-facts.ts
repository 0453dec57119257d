import { labels } from '#model';

/** What every producer needs to know about this cluster. */
export interface MeshFacts {
  readonly trustDomain: string;
  readonly clusterDomain: string;
  /** Where ServiceEntries and DestinationRules go. */
  readonly importsNamespace: string;
  /** Where the east-west gateway runs and its Gateway object goes. */
  readonly releaseNamespace: string;
  /** Istio's root namespace: policies there hold for the whole mesh. */
  readonly rootNamespace: string;
}

/** On every produced object: what finds it again for pruning. */
export const producedLabels: Readonly<Record<string, string>> = { [labels.managedBy]: labels.managedByValue };

/** Selector of all that `producedLabels` marks. */
export const producedSelector = `${labels.managedBy}=${labels.managedByValue}`;
