import { describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { toldFindings } from './status.js';
import { statusEvents } from './status-events.js';

type Told = readonly [type: string, status: 'True' | 'False' | 'Unknown', reason: string];

const statusOf = (told: readonly Told[]): PeerStatus => ({
  observedGeneration: 1,
  conditions: told.map(([type, status, reason]) => ({
    type,
    status,
    reason,
    message: `${type} says ${reason}`,
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: 1,
  })),
});

const good: readonly Told[] = [
  ['Ready', 'True', 'Succeeded'],
  ['ServicesImported', 'True', 'Succeeded'],
];

describe('statusEvents', () => {
  const cases: readonly [string, readonly Told[] | undefined, readonly Told[], readonly string[]][] = [
    ['the first good status', undefined, good, ['Normal Succeeded']],
    ['nothing new', good, good, []],
    [
      'a conflict that Ready tells',
      good,
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
      ],
      ['Warning DomainConflict'],
    ],
    [
      'a second trouble behind the first',
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
        ['ServicesExported', 'True', 'Succeeded'],
      ],
      [
        ['Ready', 'False', 'DomainConflict'],
        ['ServicesImported', 'False', 'DomainConflict'],
        ['ServicesExported', 'False', 'NoMeshEndpoints'],
      ],
      ['Warning NoMeshEndpoints'],
    ],
    [
      'a notice beside a good Ready',
      good,
      [
        ['Ready', 'True', 'Succeeded'],
        ['ServicesImported', 'True', 'Succeeded'],
        ['ServicesExported', 'True', 'SharedTargetPort'],
      ],
      ['Warning SharedTargetPort'],
    ],
  ];
  it.each(cases)('%s', (_name, before, now, expected) => {
    const events = statusEvents(before && statusOf(before), statusOf(now));
    expect(events.map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
  });

  it('tells once more when a revocation is done: what was cut is known only then', () => {
    const revoking = statusOf([['Ready', 'False', 'Revoked']]);
    const revoked = { ...revoking, revocation: { at: '2026-11-21T00:00:00Z' } };
    expect(statusEvents(revoking, revoked).map(({ reason }) => reason)).toEqual(['Revoked']);
    expect(statusEvents(revoked, revoked)).toEqual([]);
  });
});

describe('conflicts among the findings of a status', () => {
  type Finding = NonNullable<PeerStatus['findings']>[number];
  const conflict = (subject: string, message = 'ports differ'): Finding => ({
    reason: 'PortConflict',
    subject,
    message,
  });
  const withFindings = (findings: readonly Finding[], told = good): PeerStatus => ({
    ...statusOf(told),
    findings: [...findings],
  });
  const notes = (before: PeerStatus | undefined, now: PeerStatus): readonly string[] =>
    statusEvents(before, now).map(({ type, reason, note }) => `${type} ${reason} ${note}`);

  it('are told one by one when they come, though no condition changes', () => {
    const [one, two, three] = ['a.x', 'b.x', 'c.x'].map((host) => conflict(host));
    expect(notes(withFindings([one!]), withFindings([one!, two!, three!]))).toEqual([
      'Warning PortConflict b.x: ports differ',
      'Warning PortConflict c.x: ports differ',
    ]);
  });

  it('are not told again while they last, nor when they end', () => {
    const both = withFindings([conflict('a.x'), conflict('b.x')]);
    expect(notes(both, both)).toEqual([]);
    expect(notes(both, withFindings([]))).toEqual([]);
  });

  it('are told once, where a condition tells the first of them', () => {
    const now = withFindings([conflict('a.x'), conflict('b.x')], [['Ready', 'False', 'PortConflict']]);
    const conditions = (now.conditions ?? []).map((condition) => ({
      ...condition,
      message: 'a.x: ports differ (and 1 more, see status.findings); 3 services imported',
    }));
    expect(notes(undefined, { ...now, conditions })).toEqual([
      'Warning PortConflict a.x: ports differ (and 1 more, see status.findings); 3 services imported',
      'Warning PortConflict b.x: ports differ',
    ]);
  });

  it('are counted beyond ten at once', () => {
    const many = withFindings(Array.from({ length: 40 }, (_unused, index) => conflict(`s${index}.x`)));
    const told = notes(withFindings([]), many);
    expect(told).toHaveLength(11);
    expect(told.at(-1)).toBe('Warning PortConflict 30 more conflicts, see status.findings');
  });

  it('are told once where a status holds not all of them: none that was told is pushed out of view, to be told again', () => {
    const many = Array.from({ length: 150 }, (_unused, index) => conflict(`s${index}.x`));
    const first = withFindings(toldFindings(many, undefined));
    const early = [conflict('a.x'), conflict('b.x')];
    const second = withFindings(toldFindings([...early, ...many], first));
    expect(notes(first, second)).toEqual([]);
    const third = withFindings(toldFindings(many, second));
    expect(notes(second, third)).toEqual([]);
    const fewer = [...early, ...many.slice(1)];
    const fourth = withFindings(toldFindings(fewer, third));
    expect(fourth.findings).toHaveLength(100);
    expect(notes(third, fourth)).toEqual(['Warning PortConflict a.x: ports differ']);
  });

  it('alone are told: what else is amiss stands in status', () => {
    expect(notes(statusOf(good), withFindings([{ reason: 'AddressRefused', message: 'loopback' }]))).toEqual([]);
  });
});
