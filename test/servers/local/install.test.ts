import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { makeStateFolder } from '../servers.ts'

const INSTALL = fileURLToPath(new URL('../../../knative/local/install.js', import.meta.url))

type Packages = Record<string, { version: string; optional?: boolean; os?: string[]; cpu?: string[] }>

const A: Packages = { 'node_modules/a': { version: '1.0.0' } }

test.each<[string, Packages, Packages, boolean]>([
  ['the same', A, A, false],
  ['another version', { 'node_modules/a': { version: '2.0.0' } }, A, true],
  ['an added package', { ...A, 'node_modules/b': { version: '1.0.0' } }, A, true],
  ['a removed package', A, { ...A, 'node_modules/b': { version: '1.0.0' } }, true],
  ['an optional one', { ...A, 'node_modules/b': { version: '1.0.0', optional: true } }, A, false],
  ['one for other systems', { ...A, 'node_modules/b': { version: '1.0.0', os: ['none'] } }, A, false],
  ['one for all but one', { ...A, 'node_modules/b': { version: '1.0.0', cpu: ['!none'] } }, A, true],
])('install.js, where the newer lock names %s', async (_, lock, installed, installs) => {
  const { state, remove } = await makeStateFolder()
  const program = join(state, 'knative', 'local', 'install.js')
  mkdirSync(join(state, 'knative', 'local'), { recursive: true })
  mkdirSync(join(state, 'node_modules', '.bin'), { recursive: true })
  mkdirSync(join(state, 'bin'))
  cpSync(INSTALL, program)
  writeFileSync(join(state, 'package.json'), '{"type":"module"}')
  writeFileSync(join(state, 'node_modules', '.bin', 'node'), '')
  writeFileSync(join(state, 'bin', 'npm'), '#!/bin/sh\necho "npm $1"\n', { mode: 0o755 })
  const root = { '': { version: '0.1.0' } }
  writeFileSync(join(state, 'package-lock.json'), JSON.stringify({ packages: { ...root, ...lock } }))
  const hidden = join(state, 'node_modules', '.package-lock.json')
  writeFileSync(hidden, JSON.stringify({ packages: installed }))
  utimesSync(hidden, 1, 1)

  const env = { PATH: `${join(state, 'bin')}:${process.env['PATH']}` }
  const { stdout, status } = spawnSync(process.execPath, [program], { env, encoding: 'utf8' })
  expect({ ran: stdout.includes('npm install'), status }).toEqual({ ran: installs, status: 0 })
  await remove()
})
