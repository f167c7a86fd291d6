import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runSandboxed } from '../../../src/precision/evaluate/sandbox/run-sandboxed.ts';
import { permissionProbe } from './permission-probe.ts';

describe('code that behaves', () => {
  test('passes when its assertions hold, through console.assert or assert', async () => {
    const source = `const add = (a, b) => a + b;
      console.assert(add(1, 2) === 3);
      require('assert').deepStrictEqual([add(2, 2)], [4]);`;
    expect((await runSandboxed(source)).kind).toBe('passed');
  });

  test('may use eval, as one of the public solutions does', async () => {
    expect((await runSandboxed('console.assert(eval("2 + 3 * 4") === 14)')).kind).toBe('passed');
  });

  test.each([
    ['a failed console.assert', 'console.assert(1 === 2)'],
    ['an exception', 'throw new Error("no")'],
    ['a syntax error', 'const = 3'],
    ['a failed assert', 'require("assert")(false)'],
  ])('fails with %s', async (_, source) => {
    expect((await runSandboxed(source)).kind).toBe('failed');
  });
});

/** Reaches the outer realm's function constructor through an error that the runtime itself makes. */
const outward = (body: string) =>
  `import('x').catch((e) => { e.constructor.constructor(${JSON.stringify(body)})(); globalThis.escaped = true; })`;

describe('escapes', () => {
  test.each([
    ['require', 'require("fs")'],
    ['process', 'process.exit(0)'],
    ['fetch', 'fetch("http://127.0.0.1:1")'],
    ['a constructor of the context', 'this.constructor.constructor("return process")().exit(0)'],
    ['replacing what counts failures', 'globalThis.console = { assert() {} }; console.assert(false)'],
    ['freezing over console', '"use strict"; console.assert = () => {}; console.assert(false)'],
    ['redefining console', 'Object.defineProperty(globalThis, "console", { value: { assert() {} } })'],
  ])('%s fails', async (_, source) => {
    expect((await runSandboxed(source)).kind).toBe('failed');
  });

  test('an outer error gives no way to write a file', async () => {
    const path = join(tmpdir(), `octet-escape-${process.pid}`);
    await runSandboxed(outward(`process.getBuiltinModule('fs').writeFileSync(${JSON.stringify(path)}, 'x')`));
    await runSandboxed(outward(`process.mainModule.require('fs').writeFileSync(${JSON.stringify(path)}, 'x')`));
    expect(existsSync(path)).toBe(false);
  });

  test('nothing connects to a listening socket', async () => {
    let connectionCount = 0;
    const server = createServer(() => {
      connectionCount += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await runSandboxed(outward(`process.getBuiltinModule('net').connect(${port}, '127.0.0.1')`), { msMax: 2000 });
    await runSandboxed(outward(`fetch('http://127.0.0.1:${port}')`), { msMax: 2000 });
    await new Promise((resolve) => server.close(resolve));
    expect(connectionCount).toBe(0);
  });

  test('a loop without end is ended', async () => {
    expect((await runSandboxed('for (;;) {}', { msMax: 1000 })).kind).toBe('timed-out');
  });

  test('memory is limited', async () => {
    const source = 'const kept = []; for (;;) kept.push(new Array(100000).fill(kept.length));';
    const { kind } = await runSandboxed(source, { heapMebibytesMax: 32, msMax: 10_000 });
    expect(kind).toBe('out-of-memory');
  });

  test('files outside, processes and threads are refused by the runtime itself, without the inner context', () => {
    const denied = 'ERR_ACCESS_DENIED';
    expect(permissionProbe()).toEqual({ read: denied, spawn: denied, worker: denied });
  });
});
