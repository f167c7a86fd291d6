// The program of the sandbox process, as text: it reads the code from standard input, takes away what could reach outside,
// and runs it in a context of its own.
// Why as text and not as a file: the process may read nothing, not even its own program.
// Why a context as well: the code then sees no `process`, `require`, `fetch` or `Buffer`, and finds none by asking an object
// for its constructor, because every object that it is given was made inside the context.

/** CommonJS source, for `node --eval`. */
export const childProgram = `
'use strict';
const vm = require('node:vm');
const fs = require('node:fs');
const { source, marker } = JSON.parse(fs.readFileSync(0, 'utf8'));
const write = fs.writeSync.bind(fs, 1);
const exit = process.reallyExit.bind(process);

function refuse() { throw new Error('not allowed in the sandbox'); }
// The network, and every other way to a socket, is gone even for code that gets hold of require. All modules are loaded
// before the first is emptied, because they build on one another.
const blocked = ['net', 'tls', 'dgram', 'dns', 'dns/promises', 'http', 'https', 'http2', 'inspector', 'cluster',
  'child_process', 'worker_threads', 'repl'].map((name) => require(name));
blocked[0].Socket.prototype.connect = refuse;
for (const loaded of blocked) {
  for (const key of Object.keys(loaded)) {
    if (typeof loaded[key] !== 'function') continue;
    try { loaded[key] = refuse; } catch { Object.defineProperty(loaded, key, { value: refuse }); }
  }
}
process.binding = refuse;
process._linkedBinding = refuse;
process.dlopen = refuse;
process.kill = refuse;
process._debugProcess = refuse;
process.getBuiltinModule = refuse;
for (const name of ['fetch', 'WebSocket', 'EventSource', 'navigator', 'XMLHttpRequest', 'BroadcastChannel', 'MessageChannel', 'Worker']) {
  try { delete globalThis[name]; } catch {}
}

const context = vm.createContext(Object.create(null), { codeGeneration: { strings: true, wasm: false }, microtaskMode: 'afterEvaluate' });
// Everything that the code is given is made inside, and what counts failures cannot be replaced from there.
const prelude = '(' + function () {
  'use strict';
  let failedCount = 0;
  const fail = (why) => { throw new Error(why || 'assertion failed'); };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const assert = (ok, why) => ok || fail(why);
  Object.assign(assert, {
    ok: assert,
    equal: (a, b, why) => a == b || fail(why),
    strictEqual: (a, b, why) => Object.is(a, b) || fail(why),
    notStrictEqual: (a, b, why) => !Object.is(a, b) || fail(why),
    deepEqual: (a, b, why) => same(a, b) || fail(why),
    deepStrictEqual: (a, b, why) => same(a, b) || fail(why),
  });
  const silent = () => undefined;
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: false, configurable: false });
  define('console', Object.freeze({
    assert: (ok) => { if (!ok) failedCount += 1; },
    log: silent, error: silent, warn: silent, info: silent, debug: silent,
  }));
  define('require', (name) => (name === 'assert' || name === 'node:assert' ? assert : fail('not allowed in the sandbox: ' + name)));
  return () => failedCount;
} + ')()';
let ending = 'failed';
try {
  const failedCount = vm.runInContext(prelude, context);
  vm.runInContext(source, context, { filename: 'answer.js' });
  ending = failedCount() === 0 ? 'passed' : 'failed';
} catch {
  ending = 'failed';
}
if (ending === 'passed') write(marker);
exit(ending === 'passed' ? 0 : 1);
`;
