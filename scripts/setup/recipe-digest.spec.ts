import { describe, expect, it } from '@jest/globals';
import { catalogue, partNamed } from './catalogue.js';
import { digestOf, pinnedFiles, recipeDigest } from './recipe-digest.js';

const helm = partNamed('helm');

describe('recipeDigest', () => {
  const base = recipeDigest(helm, 'x64', ['go.mod', 'go.sum']);

  it('is twelve hex digits and the same each time', () => {
    expect(base).toMatch(/^[0-9a-f]{12}$/);
    expect(recipeDigest(helm, 'x64', ['go.mod', 'go.sum'])).toBe(base);
  });

  it.each([
    ['version', recipeDigest({ ...helm, version: '4.3.2' }, 'x64', ['go.mod', 'go.sum'])],
    ['recipe', recipeDigest({ ...helm, recipe: partNamed('coredns').recipe }, 'x64', ['go.mod', 'go.sum'])],
    ['processor', recipeDigest(helm, 'arm64', ['go.mod', 'go.sum'])],
    ['pinned content', recipeDigest(helm, 'x64', ['go.mod', 'go.sum '])],
    ['the border between two pinned files', recipeDigest(helm, 'x64', ['go.mo', 'dgo.sum'])],
  ])('changes with the %s', (_, other) => {
    expect(other).not.toBe(base);
  });

  it('does not change with where the vendor publishes', () => {
    const elsewhere = { ...helm, release: { url: 'https://mirror.example/helm', checksum: { sha256: 'x' } } };
    expect(recipeDigest(elsewhere, 'x64', ['go.mod', 'go.sum'])).toBe(base);
  });
});

it('every part has pinned files that exist', () => {
  for (const part of catalogue) {
    expect(pinnedFiles(part).length).toBeGreaterThan(0);
    expect(digestOf(part, 'x64')).toMatch(/^[0-9a-f]{12}$/);
  }
});
