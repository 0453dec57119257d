import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { MeshNetworks } from './mesh-networks.js';

const keys = ['networks', 'a', 'endpoints', 'gateways', 'fromRegistry', 'fromCidr', 'address', 'port', '__proto__'];
const whole = {
  networks: {
    a: {
      endpoints: [{ fromRegistry: 'west' }, { fromCidr: '10.0.0.0/8' }],
      gateways: [{ address: 'gw.a', port: 15_443 }],
    },
    b: { endpoints: [{ fromRegistry: 'south' }], gateways: [{ registryServiceName: 'gw.ns.svc', port: 80 }] },
  },
};
const yaml =
  'networks:\n  a: {endpoints: [{fromRegistry: west}], gateways: &g [{address: 192.0.2.1, port: 1}]}\n  b: {gateways: *g}\n';

describe('Istio’s meshNetworks as the mesh core reads it', () => {
  it(
    'any text is networks with gateways that can be dialled, or an Error; nothing throws after that',
    () =>
      fuzzBothWays((dice) => {
        const given = dice.next(2) === 0 ? JSON.stringify(brokenValue(dice, whole, keys)) : brokenText(dice, yaml);
        // A ConfigMap holds no secrets, and its faults show the value.
        const text = given.replaceAll(fuzzSecret, 'x');
        const networks = readOr(
          () => MeshNetworks.parse(text),
          (error) => error.name !== 'TypeError' && !/call stack/.test(error.message),
        );
        if (networks === undefined) return false;
        for (const address of ['10.1.2.3', 'fd00::1', 'host', '']) networks.networkOf('west', address);
        const find = (): undefined => undefined;
        const gateways = networks.gateways(find, new Map(networks.hosts(find).map((host) => [host, ['192.0.2.9']])));
        for (const { network, address, port } of gateways)
          if (!Number.isInteger(port) || port < 1 || port > 65_535 || address === '')
            throw new Error(`${network} ${port}`);
        return true;
      }),
    fuzzLimitMs,
  );
});
