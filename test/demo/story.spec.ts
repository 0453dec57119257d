import { describe, expect, it } from '@jest/globals';
import { Story } from './story.js';

const held = async (): Promise<void> => undefined;
const thrown = async (): Promise<void> => {
  throw new Error('no gateway has an address');
};

function story(): { readonly story: Story; readonly lines: readonly string[] } {
  const lines: string[] = [];
  return { story: new Story((line) => void lines.push(line)), lines };
}

function outcome({ ok, results }: Story): unknown {
  return { ok, steps: results.map((result) => [result.name, result.ok]) };
}

describe('a story', () => {
  it('holds when every step does', async () => {
    const { story: told, lines } = story();
    await told.tell('between', async () => {
      await told.step('one', async () => 'seen');
      await told.step('two', held);
    });
    expect(outcome(told)).toEqual({
      ok: true,
      steps: [
        ['one', true],
        ['two', true],
      ],
    });
    expect(lines[0]).toMatch(/^ ✔ {2}1 {2}one {2}\((?:\d+ ms|\d+\.\d s)\)$/);
    expect(lines[1]).toBe('        seen');
  });

  it('without a step has not held', () => {
    expect(story().story.ok).toBe(false);
  });

  it('goes on after a step that did not hold, and has not held', async () => {
    const { story: told } = story();
    await told.tell('between', async () => {
      await told.step('one', thrown);
      await told.step('two', held);
    });
    expect(outcome(told)).toEqual({
      ok: false,
      steps: [
        ['one', false],
        ['two', true],
      ],
    });
  });

  it('has not held when something throws outside of its steps: that is a result of its own', async () => {
    const { story: told, lines } = story();
    await told.tell('between', async () => {
      await told.step('one', held);
      await thrown();
      await told.step('two', held);
    });
    expect(outcome(told)).toEqual({
      ok: false,
      steps: [
        ['one', true],
        ['between', false],
      ],
    });
    expect(lines.at(-1)).toContain('no gateway has an address');
  });

  it('stops at a step that all others need; it is told once', async () => {
    const { story: told, lines } = story();
    await told.tell('between', async () => {
      await told.step('one', thrown, true);
      await told.step('two', held);
    });
    expect(outcome(told)).toEqual({ ok: false, steps: [['one', false]] });
    expect(lines.at(-1)).toBe('     stopped: step 1 is needed by all that follow');
  });
});
