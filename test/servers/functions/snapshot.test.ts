/** The functions as they are deployed: processes that start from a snapshot, and where that is missing from files. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { test as base, describe, inject, vi } from 'vitest'
import { bundleFunctions } from '../../../knative/bundle.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import { makeStateFolder } from '../servers.ts'
import { insertTenant } from './in-process.ts'

interface FunctionProcess {
  url: string
  /** Ends it; resolves to how it ended, or to how it ended by itself. */
  stop(): Promise<number | null>
  output(): string
}

type Start = (command: readonly string[], env?: Record<string, string>) => Promise<FunctionProcess>

const SECRETS = {
  PLATFORM_JWKS: '{"keys":[]}',
  DISPATCH_JWKS: '{"keys":[]}',
  EVENT_SIGNING_KEY: Buffer.alloc(32, 7).toString('base64url'),
}
/** In the environment of whoever builds the snapshot. */
const SECRET_OF_BUILDER = 'of whoever builds, and of nobody else'
const NODE_FIRST = `${dirname(process.execPath)}:${process.env['PATH']}`

const test = base.extend<{ folder: string; snapshot: readonly string[]; start: Start; tenantKey: string }>({
  folder: [
    async ({}, use) => {
      const { state, remove } = await makeStateFolder()
      await use(state)
      await remove()
    },
    { scope: 'file' },
  ],
  snapshot: [
    async ({ folder }, use) => {
      vi.stubEnv('SECRET_OF_BUILDER', SECRET_OF_BUILDER)
      await use([process.execPath, ...(await bundleFunctions(folder)).args])
      vi.unstubAllEnvs()
    },
    { scope: 'file' },
  ],
  start: async ({}, use) => {
    const running: FunctionProcess[] = []
    await use(async (command, env = {}) => {
      const process = await startFunction(command, env)
      running.push(process)
      return process
    })
    await Promise.all(running.map((process) => process.stop()))
  },
  tenantKey: async ({}, use) => {
    const owner = postgres(inject('servers').postgres.owner, { max: 1, onnotice: () => {} })
    await use((await insertTenant(owner, 'enterprise', ['developer'])).key)
    await owner.end()
  },
})

/** Starts `void.entropy` with the test's database; resolves when it answers, or has ended. */
async function startFunction(
  command: readonly string[],
  env: Record<string, string>,
): Promise<FunctionProcess> {
  const [port = 0] = await findFreePorts(1)
  const [program = '', ...parameters] = command
  const child = spawn(program, parameters, {
    env: {
      PATH: NODE_FIRST,
      FUNCTION: 'void-entropy',
      HOST: '127.0.0.1',
      PORT: String(port),
      DATABASE_URL: inject('servers').postgres.app,
      ...SECRETS,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (output += data.toString()))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const url = `http://127.0.0.1:${port}`
  const isOver = ended.then(() => true)
  while (!(await isLive(url)) && !(await Promise.race([isOver, tick()])));
  const stop = () => {
    child.kill('SIGTERM')
    return ended
  }
  return { url, stop, output: () => output }
}

async function isLive(url: string): Promise<boolean> {
  return (await fetch(`${url}/health/live`).catch(() => undefined))?.ok === true
}

function tick(): Promise<boolean> {
  return new Promise((resolve) => setImmediate(() => resolve(false)))
}

async function sip({ url }: FunctionProcess, key: string) {
  const response = await fetch(`${url}/v1/agentese/void/entropy/sip`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{}',
  })
  return {
    status: response.status,
    body: (await response.json()) as { result: { seed: number; grant: string } },
  }
}

describe('a function that starts from the snapshot', () => {
  test('answers calls, and ends with 0 when it is asked to', async ({
    snapshot,
    start,
    tenantKey,
    expect,
  }) => {
    const process = await start(snapshot)
    expect(await sip(process, tenantKey)).toMatchObject({ status: 200, body: { path: 'void.entropy.sip' } })
    expect((await sip(process, createApiKey().key)).status).toBe(401)
    expect(await process.stop()).toBe(0)
  })

  test('shares no chance with another', async ({ snapshot, start, tenantKey, expect }) => {
    const processes = await Promise.all([start(snapshot), start(snapshot), start(snapshot)])
    const sips = await Promise.all(processes.map((process) => sip(process, tenantKey)))
    const traces = await Promise.all(processes.map(async ({ url }) => (await fetch(`${url}/none`)).headers))
    expect(new Set(sips.map(({ body }) => body.result.seed)).size).toBe(3)
    // What is random in a UUIDv7.
    expect(new Set(sips.map(({ body }) => body.result.grant.slice(14))).size).toBe(3)
    expect(new Set(traces.map((headers) => headers.get('traceparent'))).size).toBe(3)
  })

  test('has its own clock', async ({ snapshot, start, tenantKey, expect }) => {
    const before = Date.now()
    const { body } = await sip(await start(snapshot), tenantKey)
    // The first 48 bits of a UUIDv7.
    const madeAt = Number.parseInt(body.result.grant.replaceAll('-', '').slice(0, 12), 16)
    expect(madeAt).toBeGreaterThanOrEqual(before)
    expect(madeAt).toBeLessThanOrEqual(Date.now())
  })

  test('holds nothing of the environment in which it was built', async ({ snapshot, expect }) => {
    const blob = await readFile(snapshot.at(-1) ?? '')
    expect(blob.includes('SECRET_OF_BUILDER')).toBe(false)
    expect(blob.includes(SECRET_OF_BUILDER)).toBe(false)
    expect(blob.includes(process.env['PATH'] ?? '')).toBe(false)
  })

  test('loads no HTTP client for a call that needs none', async ({
    folder,
    snapshot,
    start,
    tenantKey,
    expect,
  }) => {
    const profiles = join(folder, 'profiles')
    const process = await start(snapshot, { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` })
    expect((await sip(process, tenantKey)).status).toBe(200)
    expect(await process.stop()).toBe(0)
    const [profile = ''] = await readdir(profiles)
    const text = await readFile(join(profiles, profile), 'utf8')
    expect(text).toContain('"node:_http_server"')
    expect(text).not.toContain('internal/deps/undici')
    expect(text).not.toContain('"node:http2"')
  })

  test('says what is missing in its environment, and ends with 1', async ({ snapshot, start, expect }) => {
    const process = await start(snapshot, { EVENT_SIGNING_KEY: '', DISPATCH_JWKS: 'none' })
    expect(await process.stop()).toBe(1)
    expect(process.output()).toContain('TypeError: Cannot start:')
    expect(process.output()).toContain('at EVENT_SIGNING_KEY')
    expect(process.output()).toContain('is not valid JSON')
  })

  test('answers where the database is unavailable', async ({ snapshot, start, tenantKey, expect }) => {
    const process = await start(snapshot, { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    expect((await sip(process, tenantKey)).status).toBe(503)
    expect(await process.stop()).toBe(0)
  })

  test('loads what the snapshot does not hold: it sends spans', async ({ snapshot, start, expect }) => {
    const sent: string[] = []
    const collector = createServer((request, response) => {
      sent.push(request.url ?? '')
      response.end()
    }).listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const { port } = collector.address() as AddressInfo
    const process = await start(snapshot, { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
    await fetch(`${process.url}/v1/agentese/void/entropy/help`, { method: 'POST' })
    expect(await process.stop()).toBe(0)
    expect(sent).toEqual(['/v1/traces'])
    collector.close()
  })
})

test('the image starts as what is tested here does', async ({ folder, snapshot, expect }) => {
  const dockerfile = await readFile(fileURLToPath(new URL('../../../Dockerfile', import.meta.url)), 'utf8')
  const command = snapshot.slice(1).map((part) => part.replace(`${folder}/`, 'dist/'))
  expect(dockerfile).toContain(`\nCMD ${JSON.stringify(['node', ...command]).replaceAll(',', ', ')}\n`)
})
