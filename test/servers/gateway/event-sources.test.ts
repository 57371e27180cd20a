/** Streams of jobs, read by the decoders that people use: npm's `eventsource`, and `httpx-sse` of Python. */
import { EventSource } from 'eventsource'
import { describe } from 'vitest'
import { preparePython } from '../../python/run-python.ts'
import { test, type HubWorld, type RunningHub, type Tenant } from './hub-world.ts'

const python = await preparePython()
if (python.missing !== undefined) process.stdout.write(`${python.missing}\n`)

/** Line breaks of JSON, of Unicode, and of neither. */
const ODD = 'a\r\nb\u0085c\u2028d\u2029e\vf'

const endings = [
  [{ status: 'completed', text: ODD, result: { response: ODD } }, 'complete'],
  [{ status: 'failed', error: { code: 'INFERENCE_FAILED', message: 'x' } }, 'error'],
  [{ status: 'cancelled' }, 'error'],
] as const

/** A job whose log and row have ended. */
async function endedJob(world: HubWorld, tenant: Tenant, ending: { status: string }): Promise<string> {
  const job = world.addJob(tenant, undefined, ending)
  world.write(tenant, job, { kind: 'started', index: 0, attempt: 1 })
  world.write(tenant, job, { kind: 'chunk', index: 1, attempt: 1, text: ODD, tokens: 1 })
  await world.nc.flush()
  await world.close(tenant, job, ending)
  return job
}

/** Follows a job as a browser does, which connects again when a stream has ended. */
function openSource({ url }: RunningHub, { apiKey }: Tenant, job: string) {
  const lastEventIds: (string | null)[] = []
  const source = new EventSource(`${url}/v1/jobs/${job}/stream`, {
    fetch(input, init) {
      const headers = new Headers(init.headers)
      lastEventIds.push(headers.get('last-event-id'))
      headers.set('x-api-key', apiKey)
      return fetch(input, { ...init, headers })
    },
  })
  return { source, lastEventIds }
}

describe('an EventSource', () => {
  test.for(endings)(
    'of a job that ended as %j connects once more, and is closed by 204',
    async ([ending, last], { world, expect }) => {
      const acme = await world.tenant()
      const job = await endedJob(world, acme, ending)
      const { source, lastEventIds } = openSource(await world.openHub(), acme, job)
      const events: string[] = []
      for (const name of ['started', 'chunk', 'complete', 'error']) {
        source.addEventListener(name, (event) => {
          if (event instanceof MessageEvent) events.push(name)
        })
      }
      const code = await new Promise((resolve) => {
        source.addEventListener('error', (event) => {
          if (source.readyState === EventSource.CLOSED) resolve('code' in event ? event.code : undefined)
        })
      })
      expect(code).toBe(204)
      expect(events).toEqual(['started', 'chunk', last])
      expect(lastEventIds).toEqual([null, 'end'])
    },
  )
})

describe('GET /v1/jobs/{id}/stream with the id of the last event', () => {
  test('asks who calls before it answers 204', async ({ world, expect }) => {
    const hub = await world.openHub()
    const [acme, globex] = [await world.tenant(), await world.tenant()]
    const job = await endedJob(world, acme, { status: 'cancelled' })
    const url = `${hub.url}/v1/jobs/${job}/stream`
    const headers = (apiKey: string) => ({ 'x-api-key': apiKey, 'last-event-id': 'end' })
    expect((await fetch(url, { headers: headers(globex.apiKey) })).status).toBe(404)
    expect((await fetch(url, { headers: headers('kg_unknown') })).status).toBe(401)
    expect((await fetch(url, { headers: headers(acme.apiKey) })).status).toBe(204)
    const inQuery = await fetch(`${url}?last_event_id=end`, { headers: { 'x-api-key': acme.apiKey } })
    expect(inQuery.status).toBe(204)
  })
})

test.skipIf(python.missing !== undefined)(
  'httpx-sse reads no empty event, and every line break inside a text, whatever heartbeats come between',
  async ({ world, expect }) => {
    const hub = await world.openHub(5)
    const acme = await world.tenant()
    const job = world.addJob(acme)
    world.write(acme, job, { kind: 'started', index: 0, attempt: 1 })
    world.write(acme, job, { kind: 'chunk', index: 1, attempt: 1, text: ODD, tokens: 1 })
    const printing = python.run('read_events.py', `${hub.url}/v1/jobs/${job}/stream`, acme.apiKey)
    await expect.poll(() => world.consumers(acme)).toBe(1)
    await world.close(acme, job, { status: 'completed', text: ODD, result: { response: ODD } })
    const lines = (await printing).trim().split('\n')
    const events = lines.map((line) => JSON.parse(line) as [string, string, string, number | null])
    expect(events.map(([event, id]) => [event, id])).toEqual([
      ['started', '0'],
      ['chunk', '1'],
      ['complete', 'end'],
    ])
    expect(events.map(([, , data]) => JSON.parse(data) as object)).toMatchObject([
      { attempt: 1 },
      { text: ODD },
      { result: { response: ODD } },
    ])
    expect(events[0]?.[3]).toBe(1000)
  },
)
