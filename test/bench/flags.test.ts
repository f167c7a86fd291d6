import { describe, expect, test } from 'vitest';
import {
  choiceFlag,
  countFlag,
  describeFlags,
  numberFlag,
  parseFlags,
  switchFlag,
  textFlag,
} from '../../bench/flags.ts';

const shape = {
  streams: countFlag(8, { min: 1, max: 100 }, 'in flight'),
  timeScale: numberFlag(1, { min: 0.1, max: 10 }, 'of the trace'),
  api: choiceFlag(['completions', 'chat'], 'which'),
  name: textFlag('load', 'of the file'),
  noResults: switchFlag('keep none'),
};

describe('parseFlags', () => {
  test('gives the defaults when nothing is named', () => {
    expect(parseFlags(shape, [])).toEqual({
      kind: 'flags',
      flags: { streams: 8, timeScale: 1, api: 'completions', name: 'load', noResults: false },
    });
  });

  test('reads values after a space and after an equals sign', () => {
    const parsed = parseFlags(shape, ['--streams', '3', '--time-scale=0.5', '--no-results', '--api', 'chat']);
    expect(parsed).toMatchObject({ flags: { streams: 3, timeScale: 0.5, api: 'chat', noResults: true } });
  });

  test('reports every fault at once, with the limit and the given value', () => {
    const argv = ['--streams', '900', '--time-scale', 'fast', '--api', 'grpc', '--strems', 'stray'];
    expect(parseFlags(shape, argv)).toEqual({
      kind: 'faults',
      faults: [
        'unknown flag. Given: --strems',
        'unexpected argument. Given: stray',
        '--streams must be <= 100. Given: 900',
        '--time-scale must be a number. Given: fast',
        '--api must be one of completions, chat. Given: grpc',
      ],
    });
  });

  test.each([
    [['--streams', '2.5'], '--streams must be a whole number. Given: 2.5'],
    [['--streams', '0'], '--streams must be >= 1. Given: 0'],
    [['--streams'], '--streams needs a value'],
  ])('refuses %j', (argv, fault) => {
    expect(parseFlags(shape, argv)).toEqual({ kind: 'faults', faults: [fault] });
  });

  test('help wins over faults', () => {
    expect(parseFlags(shape, ['--streams', '0', '--help'])).toEqual({ kind: 'help' });
  });
});

test('the help text names every flag with its meaning and default', () => {
  const text = describeFlags(shape);
  expect(text).toContain('--streams N');
  expect(text).toMatch(/in flight \(default 8\)/);
  expect(text).toContain('--api completions|chat');
  expect(text).toMatch(/--no-results +keep none$/);
});
