import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { ANSWERS } from '../../../gateway/answers.ts'
import { problemOf } from '../../../shared/http/problem.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const FOLDER = join(ROOT, 'gateway', 'cloudflare')
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.tf'))
const text = files.map((name) => readFileSync(join(FOLDER, name), 'utf8')).join('\n')

/** What `terraform` says; undefined where there is none. */
async function terraform(cwd: string, ...args: string[]) {
  try {
    return { failed: false, ...(await promisify(execFile)('terraform', args, { cwd })) }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return code === 'ENOENT' ? undefined : { failed: true, stdout, stderr }
  }
}

const names = (pattern: RegExp) =>
  [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))].toSorted()

test('Cloudflare keeps the documents that anybody may keep, and nothing else', () => {
  const [, list = ''] = /cacheable = \[(.*)\]/.exec(text) ?? []
  const kept = catalog
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ maxAgeSeconds }) => maxAgeSeconds !== undefined)
    .map(({ method, path }) => {
      expect(method).toBe('GET')
      return path
    })
  const [, below = ''] = /cacheable_below = "(.*)"/.exec(text) ?? []
  const [files, documents] = [true, false].map((isBelow) =>
    kept.filter((path) => path.startsWith(below) === isBelow),
  )
  expect([...list.matchAll(/"([^"]+)"/g)].map(([, path = '']) => path).toSorted()).toEqual(
    documents?.toSorted(),
  )
  expect(files).toEqual(['/console/:version/:folder/:name', '/console/:version/styles/:name'])
})

test('Cloudflare refuses too many requests as Kong does', () => {
  const { type, title, status, code, message } = problemOf(ANSWERS.tooMany, '', '').body
  for (const value of [type, title, code, message]) expect(text).toContain(`= "${value}"`)
  expect(text).toContain(`= ${status}\n`)
})

test('every variable and local that is used is declared, and every declared one is used', () => {
  expect(names(/\bvar\.(\w+)/g)).toEqual(names(/^variable "(\w+)"/gm))
  const declared = [...text.matchAll(/^locals \{\n([\s\S]*?)^\}/gm)].flatMap(([, body = '']) =>
    [...body.matchAll(/^ {2}(\w+) += /gm)].map(([, name = '']) => name),
  )
  expect(names(/\blocal\.(\w+)/g)).toEqual(declared.toSorted())
})

test('a zone has one ruleset for each phase', () => {
  const phases = [...text.matchAll(/^ {2}phase += "(\w+)"/gm)].map(([, phase]) => phase)
  expect(new Set(phases).size).toBe(phases.length)
})

test('terraform finds the files in its own form', async ({ skip }) => {
  const formatted =
    (await terraform(FOLDER, 'fmt', '-check', '-no-color')) ?? skip('there is no terraform here')
  expect(formatted).toMatchObject({ failed: false, stdout: '' })
})

test('terraform finds nothing wrong with them, and no attribute that the provider does not have', async ({
  skip,
}) => {
  const copy = mkdtempSync(join(tmpdir(), 'kgents-terraform-'))
  try {
    for (const folder of ['gateway/cloudflare', 'knative/manifests/components/ingress'])
      cpSync(join(ROOT, folder), join(copy, folder), { recursive: true })
    const cwd = join(copy, 'gateway', 'cloudflare')
    const init =
      (await terraform(cwd, 'init', '-backend=false', '-input=false', '-no-color')) ??
      skip('there is no terraform here')
    if (init.failed) skip(`the provider cannot be fetched: ${init.stderr.trim().split('\n').at(-1)}`)
    const validated = await terraform(cwd, 'validate', '-no-color')
    expect(validated).toMatchObject({ failed: false })
  } finally {
    rmSync(copy, { recursive: true })
  }
})
