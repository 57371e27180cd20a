/**
 * Loads the bundle in FOLDER, for V8 to take a snapshot of the process that has loaded it:
 * `node --snapshot-blob FILE --build-snapshot build-snapshot.cjs FOLDER`.
 *
 * Such a process can require nothing but what Node brings, so the files of the bundle are run here. CommonJS, because
 * Node builds a snapshot from nothing else.
 */
const { readdirSync, readFileSync, statSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { startupSnapshot } = require('node:v8')

const [, , folder] = process.argv
/** What Node brings and no snapshot can hold; loaded when something of it is used. */
const AFTER_START = new Set(['http', 'https', 'http2', 'tls'])
/** Files up to this size are compiled in the snapshot, for whoever runs them: the functions, and not what only few need. */
const MAX_COMPILED_BYTES = 80_000

/** The functions that the texts of files are compiled to, by path. */
const compiled = new Map()
/** The files that have run, by path, in the form in which Node keeps modules. */
const modules = new Map()
let isBuilding = true

/** `require` inside the bundle. */
function load(id) {
  if (!id.startsWith('./')) return AFTER_START.has(id.replace('node:', '')) ? loadAfterStart(id) : require(id)
  const path = join(folder, id)
  if (modules.has(path)) return modules.get(path).exports
  return isBuilding || compiled.has(path) ? run(path) : requireFile(path)
}

function run(path) {
  const module = { id: path, filename: path, loaded: true, exports: {}, children: [], paths: [] }
  modules.set(path, module)
  compile(path)(module.exports, load, module)
  return module.exports
}

function compile(path) {
  if (!compiled.has(path)) {
    const text = `(function (exports, require, module) {${readFileSync(path, 'utf8')}\n})\n//# sourceURL=${path}`
    compiled.set(path, evaluate(inAscii(text)))
  }
  return compiled.get(path)
}

function evaluate(text) {
  // oxlint-disable-next-line no-eval -- reason: what node:vm compiles cannot be in a snapshot
  return (0, eval)(text)
}

/** With one other character in it, the whole text takes twice the memory. */
function inAscii(text) {
  const escaped = text.replace(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return Buffer.from(escaped).toString('latin1')
}

let requireOfNode
/** A file that is not in the snapshot finds there those that are. */
function requireFile(path) {
  if (requireOfNode === undefined) {
    requireOfNode = createRequire(path)
    for (const [file, module] of modules) requireOfNode.cache[file] = module
  }
  return requireOfNode(path)
}

/** Functions serve HTTP/1 alone. The server asks of each request whether it is another, for which all of HTTP/2 would be loaded. */
const NoRequest = Object.defineProperty(() => {}, Symbol.hasInstance, { value: () => false })

function loadAfterStart(id) {
  return new Proxy(
    {},
    {
      get(_, name) {
        if (name === 'Http2ServerRequest') return NoRequest
        if (!isBuilding) return process.getBuiltinModule(id)[name]
        throw new TypeError(`Cannot build a snapshot: "${String(name)}" of "${id}" is used while files load`)
      },
    },
  )
}

/** What comes from these while files load would be the same in all processes that start from the snapshot: ids, keys, nonces. */
function forbid(owner, names) {
  for (const name of names) {
    const original = owner[name]
    owner[name] = () => {
      throw new TypeError(`Cannot build a snapshot: "${name}" is used while files load`)
    }
    startupSnapshot.addSerializeCallback(() => (owner[name] = original))
  }
}

forbid(require('node:crypto'), ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID'])
forbid(globalThis.crypto, ['getRandomValues', 'randomUUID'])
// Whoever listens asks this whether it is one process of several.
require('node:cluster')
load('./serve.cjs')
readdirSync(folder)
  .map((name) => join(folder, name))
  .filter((path) => path.endsWith('.cjs') && statSync(path).size <= MAX_COMPILED_BYTES)
  .forEach(compile)
startupSnapshot.addSerializeCallback(() => (isBuilding = false))
