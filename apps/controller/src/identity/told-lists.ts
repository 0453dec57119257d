import { listsLeaveAt, listsTooLarge, usableLists } from '#trust';

/** Our revocation lists as peers are told of them. */
export interface ToldLists {
  /** PEM each: a set that every peer uses, or none. */
  readonly crls: readonly string[];
  /** How that stands, in words for the operator; absent where there are no lists. */
  readonly report?: { readonly phase: 'told' | 'not told'; readonly message: string };
}

/**
 * Which lists peers are told: one that is valid now of each CA in the chain they are shown, and no more than they take, since of too many they
 * refuse the whole document (trust rule 12). `chain` = leaf, then intermediates. Pure.
 */
export function toldLists(
  { crls, roots }: { readonly crls: readonly string[]; readonly roots: readonly string[] },
  chain: readonly string[],
  now: number,
): ToldLists {
  const authorities = [...new Set([...roots, ...chain.slice(1)])];
  const { crls: usable, fault, until } = usableLists(crls, authorities, now);
  const against = fault ?? listsTooLarge(usable);
  if (against !== undefined)
    return {
      crls: [],
      report: { phase: 'not told', message: `peers do not check our certificates for revocation: ${against}` },
    };
  if (usable.length === 0) return { crls: [] };
  const end = until === undefined ? '' : `, until ${new Date(listsLeaveAt(until)).toISOString()}`;
  return { crls: usable, report: { phase: 'told', message: `peers are told ${usable.length}, one of each CA${end}` } };
}
