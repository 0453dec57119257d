export { deploymentsAvailable } from './deployments.js';
export { LabApi, ApiError } from './api.js';
export type { ApiObject } from './api.js';
export { clusterFacts, describeLab, keepDescription, writeAtomically } from './description.js';
export type { ClusterDescription, ClusterFacts, LabDescription } from './description.js';
export { applyNamespace, helmUpgrade, installProduct, releaseNamespace, rootNamespace } from './install.js';
export { repositoryDirectory, runCommand, startClusters } from './lab.js';
export type { CommandOptions, CommandResult, Lab, LabCluster, ProcessIds, ProcessName } from './lab.js';
export { addressAnnotation } from './load-balancer.js';
export type { LabOptions } from './options.js';
export {
  federateAll,
  federationFor,
  federationIsReady,
  joinAll,
  multiclusterFor,
  multiclusterIsReady,
} from './peers.js';
export { plugInCa } from './plugged-in-ca.js';
export type { PluggedInCa } from './plugged-in-ca.js';
export { clusterName, network } from './plan.js';
export type { ClusterPlan } from './plan.js';
export { sendSignal } from './process-table.js';
export { injectSidecar } from './sidecar.js';
export { startLab } from './start-lab.js';
export { startLoad } from './load.js';
export type { LoadWish, RunningLoad } from './load.js';
export { waitFor } from './waiting.js';
export type { CallResult, LoadReport } from './workloads/calls.js';
export {
  applyDeployment,
  clientTemplate,
  demoNamespace,
  deployWorkloads,
  echoService,
  echoTemplate,
  readyPod,
} from './workloads.js';
export type { Injector, PodTemplate } from './workloads.js';
