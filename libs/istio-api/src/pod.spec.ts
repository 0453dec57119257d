import { describe, expect, it } from '@jest/globals';
import { podAddresses, podIsReady, podServiceAccount, podSpeaksMutualTLS, targetPortOf } from './pod.js';

const pod = {
  metadata: { labels: { 'security.istio.io/tlsMode': 'istio' } },
  spec: { serviceAccountName: 'web', containers: [{ name: 'a', ports: [{ name: 'main', containerPort: 8080 }] }] },
  status: { podIP: '10.1.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
};

describe('readers of a Pod', () => {
  it('read what a full pod says', () => {
    expect(podAddresses(pod)).toEqual(['10.1.0.1']);
    expect(
      podAddresses({ status: { podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }] } }),
    ).toHaveLength(2);
    expect([podIsReady(pod), podSpeaksMutualTLS(pod), podServiceAccount(pod)]).toEqual([true, true, 'web']);
    expect([targetPortOf(pod, 'main'), targetPortOf(pod, 9), targetPortOf(pod, 'none')]).toEqual([8080, 9, undefined]);
  });

  it('read an empty pod as unknown', () => {
    expect(podAddresses({})).toEqual([]);
    expect([podIsReady({}), podSpeaksMutualTLS({}), podServiceAccount({})]).toEqual([false, false, 'default']);
  });
});
