import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test as base, describe, expect, inject } from 'vitest'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { publicKeys } from './local-world.ts'

type Start = (
  program: string,
  env: Record<string, string>,
) => { exited: Promise<number | null>; output: () => string; stop(): void }

const test = base.extend<{ start: Start }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  start: async ({}, use) => {
    const started: { kill(signal: NodeJS.Signals): boolean; exited: Promise<unknown> }[] = []
    await use((program, env) => {
      const file = fileURLToPath(new URL(`../../../gateway/${program}`, import.meta.url))
      const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data: Buffer) => (output += data.toString()))
      // Of a child whose output has been read to its end.
      const exited = once(child, 'close').then(([code]) => code as number | null)
      started.push({ kill: (signal) => child.kill(signal), exited })
      return { exited, output: () => output, stop: () => child.kill('SIGTERM') }
    })
    for (const { kill, exited } of started) {
      kill('SIGKILL')
      await exited
    }
  },
})

const keys = { PLATFORM_JWKS: JSON.stringify(publicKeys) }

async function statusOf(url: string): Promise<number> {
  return (await fetch(url)).status
}

describe('the processes of the gateway', () => {
  test('local/main.ts serves the committed kong.yaml, and stops when asked to', async ({ start }) => {
    const [port = 0, statusPort = 0] = await findFreePorts(2)
    const gateway = start('local/main.ts', { ...keys, PORT: String(port), STATUS_PORT: String(statusPort) })
    await expect.poll(() => statusOf(`http://127.0.0.1:${port}/v1/nothing`).catch(() => 0)).toBe(404)
    expect(await statusOf(`http://127.0.0.1:${port}/v1/jobs`)).toBe(401)
    expect(await statusOf(`http://127.0.0.1:${statusPort}/status/ready`)).toBe(200)
    await expect
      .poll(async () => (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text())
      .toContain('kong_http_requests_total{service="jobs",route="jobs.list",code="401"} 1')
    gateway.stop()
    expect(await gateway.exited).toBe(0)
  })

  test('stream-hub/main.ts reaches NATS, and stops when asked to', async ({ start }) => {
    const [port = 0] = await findFreePorts(1)
    const hub = start('stream-hub/main.ts', {
      ...keys,
      PORT: String(port),
      NATS_URL: inject('servers').nats.hub,
      PLATFORM_ISSUER: 'https://issuer.test',
      PLATFORM_AUDIENCE: randomUUID(),
    })
    const read = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    await expect.poll(() => read().catch(String)).toContain('kgents_hub_nats_connected 1')
    expect(await statusOf(`http://127.0.0.1:${port}/health/live`)).toBe(200)
    await expect.poll(() => statusOf(`http://127.0.0.1:${port}/health/ready`)).toBe(200)
    hub.stop()
    expect(await hub.exited).toBe(0)
  })

  test('webhooks/main.ts reaches NATS, and stops when asked to', async ({ start }) => {
    const [port = 0] = await findFreePorts(1)
    const sender = start('webhooks/main.ts', {
      PORT: String(port),
      NATS_URL: inject('servers').nats.webhooks,
      WEBHOOK_SIGNING_KEY: Buffer.alloc(32, 1).toString('base64url'),
    })
    const read = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    await expect.poll(() => read().catch(String)).toContain('kgents_webhook_nats_connected 1')
    expect(await statusOf(`http://127.0.0.1:${port}/health/live`)).toBe(200)
    await expect.poll(() => statusOf(`http://127.0.0.1:${port}/health/ready`)).toBe(200)
    sender.stop()
    expect(await sender.exited).toBe(0)
  })

  test.for(['stream-hub/main.ts', 'webhooks/main.ts'])(
    '%s lives without NATS, and says that it is not ready',
    async (program, { start }) => {
      const [port = 0, closed = 0] = await findFreePorts(2)
      start(program, {
        ...keys,
        PORT: String(port),
        NATS_URL: `nats://127.0.0.1:${closed}`,
        PLATFORM_ISSUER: 'https://issuer.test',
        PLATFORM_AUDIENCE: randomUUID(),
        WEBHOOK_SIGNING_KEY: Buffer.alloc(32, 1).toString('base64url'),
      })
      const url = `http://127.0.0.1:${port}/health`
      await expect.poll(() => statusOf(`${url}/live`).catch(() => 0)).toBe(200)
      const ready = await fetch(`${url}/ready`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toEqual({ status: 'unavailable', dependencies: { nats: 'unavailable' } })
    },
  )

  test('webhooks/main.ts says what is missing or wrong, all of it, and does not start', async ({ start }) => {
    const failing = start('webhooks/main.ts', {
      PORT: 'any',
      EGRESS_PRIVATE_ALLOWED: 'http://127.0.0.1:1/path',
    })
    expect(await failing.exited).toBe(1)
    for (const name of ['PORT', 'NATS_URL', 'WEBHOOK_SIGNING_KEY', 'EGRESS_PRIVATE_ALLOWED']) {
      expect(failing.output()).toContain(name)
    }
  })

  test.for(['local/main.ts', 'stream-hub/main.ts'])(
    '%s says what is missing or wrong, all of it, and does not start',
    async (program, { start }) => {
      const failing = start(program, {
        PORT: 'any',
        PLATFORM_JWKS: '{"keys":[{"kty":"OKP","kid":"a","d":"secret"}]}',
      })
      expect(await failing.exited).toBe(1)
      expect(failing.output()).toContain('Cannot start')
      expect(failing.output()).toContain('PORT')
      expect(failing.output()).toContain('private key')
    },
  )
})
