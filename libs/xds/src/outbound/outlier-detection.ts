import type { OutlierDetectionSchema } from '#proto-gen/envoy/config/cluster/v3/outlier_detection_pb';
import type { Init } from '../envoy/init.js';
import { duration } from '../envoy/config.js';
import type { OutlierDetection } from '../mesh-model.js';

type Detection = Init<typeof OutlierDetectionSchema>;

/**
 * For endpoints that are gateways of a peer: only failures to reach the gateway itself count, never what the application behind
 * it answers. A lost gateway is left alone after two failed connections and tried again after three seconds.
 */
export function gatewayOutlierDetection(): Detection {
  return {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailure: 2,
    enforcingConsecutiveLocalOriginFailure: 100,
    enforcingConsecutive5xx: 0,
    enforcingConsecutiveGatewayFailure: 0,
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
    interval: duration(1000),
    baseEjectionTime: duration(3000),
    maxEjectionTime: duration(30_000),
    maxEjectionPercent: 100,
  };
}

/** A DestinationRule's outlierDetection as Istio maps it. */
export function outlierDetectionFor(rule: OutlierDetection): Detection {
  return {
    enforcingSuccessRate: 0,
    ...consecutiveErrors(rule),
    ...(rule.intervalMs === undefined ? {} : { interval: duration(rule.intervalMs) }),
    ...(rule.baseEjectionTimeMs === undefined ? {} : { baseEjectionTime: duration(rule.baseEjectionTimeMs) }),
    ...(rule.maxEjectionPercent === undefined ? {} : { maxEjectionPercent: rule.maxEjectionPercent }),
    ...localOrigin(rule),
  };
}

function consecutiveErrors({ consecutive5xxErrors, consecutiveGatewayErrors }: OutlierDetection): Detection {
  return {
    ...(consecutive5xxErrors === undefined
      ? {}
      : { consecutive5xx: consecutive5xxErrors, enforcingConsecutive5xx: consecutive5xxErrors > 0 ? 100 : 0 }),
    ...(consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: consecutiveGatewayErrors,
          enforcingConsecutiveGatewayFailure: consecutiveGatewayErrors > 0 ? 100 : 0,
        }),
  };
}

function localOrigin(rule: OutlierDetection): Detection {
  if (rule.splitExternalLocalOriginErrors !== true) return {};
  const failures = rule.consecutiveLocalOriginFailures;
  return {
    splitExternalLocalOriginErrors: true,
    ...(failures === undefined
      ? {}
      : { consecutiveLocalOriginFailure: failures, enforcingConsecutiveLocalOriginFailure: failures > 0 ? 100 : 0 }),
  };
}
