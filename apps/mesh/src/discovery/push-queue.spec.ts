import { describe, expect, it } from '@jest/globals';
import { PushQueue, type Pushable } from './push-queue.js';

interface Recorder extends Pushable {
  turns: number;
  answers: boolean;
}

function recorder(answers = false): Recorder {
  return {
    turns: 0,
    answers,
    turn() {
      this.turns += 1;
      return !this.answers;
    },
  };
}

function queue(mostInFlight: number): { time: { at: number }; run(): void; subject: PushQueue } {
  const time = { at: 0 };
  const work: (() => void)[] = [];
  const subject = new PushQueue({
    clock: { now: () => time.at },
    mostInFlight,
    patienceMs: 1000,
    later: (job) => work.push(job),
  });
  return { time, subject, run: () => work.splice(0).forEach((job) => job()) };
}

describe('push queue', () => {
  it('gives a stream one turn however often it was marked', () => {
    const { subject, run } = queue(10);
    const stream = recorder();
    subject.mark(stream);
    subject.mark(stream);
    run();
    run();
    expect(stream.turns).toBe(1);
  });

  it('keeps to the number of streams in flight, goes on as they answer', () => {
    const { subject, run } = queue(2);
    const streams = Array.from({ length: 5 }, () => recorder());
    streams.forEach((stream) => subject.mark(stream));
    run();
    expect(streams.map(({ turns }) => turns)).toEqual([1, 1, 0, 0, 0]);
    expect({ waiting: subject.length, inFlight: subject.inFlight }).toEqual({ waiting: 3, inFlight: 2 });
    subject.note(streams[0]!, false);
    run();
    expect(streams.map(({ turns }) => turns)).toEqual([1, 1, 1, 0, 0]);
    subject.forget(streams[1]!);
    subject.forget(streams[3]!);
    run();
    expect(streams.map(({ turns }) => turns)).toEqual([1, 1, 1, 0, 1]);
  });

  it('does not let silent streams hold the others up for ever', () => {
    const { subject, run, time } = queue(1);
    const [silent, next] = [recorder(), recorder(true)];
    subject.mark(silent);
    subject.mark(next);
    run();
    time.at = 999;
    subject.releaseSilent();
    run();
    expect(next.turns).toBe(0);
    time.at = 1000;
    subject.releaseSilent();
    run();
    expect(next.turns).toBe(1);
  });

  it('lets other work in after a slice of time', () => {
    const { subject, run, time } = queue(100);
    const slow: Pushable & { turns: number } = {
      turns: 0,
      turn() {
        this.turns += 1;
        time.at += 20;
        return false;
      },
    };
    const next = recorder(true);
    subject.mark(slow);
    subject.mark(next);
    run();
    expect([slow.turns, next.turns]).toEqual([1, 0]);
    run();
    expect(next.turns).toBe(1);
  });
});
