// Guesses cost nothing where nothing is copied, and bring much where much is: the whole policy on a clock of measured costs.

import { describe, expect, it } from 'vitest';
import { createRandom, mixSeed } from '../../../bench/random.ts';
import { readMachines } from '../../../bench/replay/machine.ts';
import { replay, type Text } from '../../../bench/replay/replay.ts';
import { must } from '../../../src/assert.ts';

const twoCores = must(
  readMachines('bench/replay/two-cores.json').find(({ name }) => name === '135m'),
  'the 135M shape',
);
const textCount = 10;

function texts(of: (random: () => number) => Text): Text[] {
  return Array.from({ length: textCount }, (_, index) => of(createRandom(mixSeed(3, index))));
}

function lengthOf(random: () => number): number {
  return 60 + Math.floor(random() * 100);
}

function draw(random: () => number, count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, () => Math.floor(random() * vocabulary));
}

/** Nothing ever comes again but by chance. */
const fresh = texts((random) => ({ prompt: draw(random, 64, 50_000), output: draw(random, lengthOf(random), 50_000) }));

/** The prompt again, from place to place: so many tokens of 100 go on somewhere else. */
function pieces(jumpShare: number): Text[] {
  return texts((random) => {
    const prompt = draw(random, 128, 110);
    let place = 0;
    const output = Array.from({ length: lengthOf(random) }, () => {
      place = random() < jumpShare ? Math.floor(random() * prompt.length) : (place + 1) % prompt.length;
      return must(prompt[place], 'a token of the prompt');
    });
    return { prompt, output };
  });
}

/** Runs of three tokens, which no guess outruns. */
const chance = pieces(0.35);
const copied = pieces(0.03);

function gains(of: readonly Text[], streams: number): number[] {
  return [1, 2].map((seed) => replay({ texts: of, streams, machine: twoCores, noise: 0.1, seed }).gain);
}

describe('what guesses bring', () => {
  it.each([1, 4, 8])('nothing is lost where nothing is copied, %i streams', (streams) => {
    for (const gain of [...gains(fresh, streams), ...gains(chance, streams)]) expect(gain).toBeGreaterThan(0.99);
  });

  it('copies come much faster', () => {
    for (const gain of gains(copied, 1)) expect(gain).toBeGreaterThan(1.8);
    for (const gain of gains(copied, 4)) expect(gain).toBeGreaterThan(1.25);
  });

  it('where steps are measured badly, little is lost all the same', () => {
    for (const seed of [1, 2])
      expect(replay({ texts: chance, streams: 4, machine: twoCores, noise: 0.3, seed }).gain).toBeGreaterThan(0.98);
  });
});
