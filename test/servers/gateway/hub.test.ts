import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { describe } from 'vitest'
import type { TokenMessage } from '../../../shared/inference/messages.ts'
import { allEvents, DIALOGUE, readEvents, test, type RunningHub, type Tenant } from './hub-world.ts'

const started = (index: number, attempt = 1): TokenMessage => ({ kind: 'started', index, attempt })
const restart = (index: number, attempt = 1): TokenMessage => ({ kind: 'restart', index, attempt })
const chunk = (index: number, text: string, attempt = 1): TokenMessage => ({
  kind: 'chunk',
  index,
  attempt,
  text,
  tokens: index,
})

const completed = {
  status: 'completed',
  text: 'hi there',
  tokens: { prompt: 3, completion: 2 },
  finish_reason: 'length',
  server: 'server-2',
  result: { response: 'hi there' },
  charges: { tokens: 5 },
}

function bearer({ token }: Tenant) {
  return { authorization: `Bearer ${token}` }
}

function ask({ url }: RunningHub, tenant: Tenant, headers: Record<string, string>) {
  return fetch(`${url}${DIALOGUE}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer(tenant), ...headers },
    body: '{"message":"hi"}',
  })
}

const stream = { accept: 'text/event-stream' }

function follow({ url }: RunningHub, tenant: Tenant, job: string, headers: Record<string, string> = {}) {
  return fetch(`${url}/v1/jobs/${job}/stream`, { headers: { ...bearer(tenant), ...headers } })
}

function jobOf(response: Response): string {
  return response.headers.get('location')?.split('/').at(-1) ?? ''
}

describe('a call with Accept: text/event-stream', () => {
  test('is told everything in order, then the end', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, stream)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('ratelimit-limit')).toBe('5')
    const job = jobOf(response)
    world.write(acme, job, started(0), chunk(1, 'hi'), chunk(2, ' there'))
    await world.nc.flush()
    await world.close(acme, job, completed)
    expect(await allEvents(response)).toEqual([
      { event: 'started', id: 0, data: { job, attempt: 1, index: 0 } },
      { event: 'chunk', id: 1, data: { text: 'hi', index: 1 } },
      { event: 'chunk', id: 2, data: { text: ' there', index: 2 } },
      {
        event: 'complete',
        id: 'end',
        data: {
          job,
          path: 'self.soul.dialogue',
          text: 'hi there',
          tokens_used: 5,
          tokens: { prompt: 3, completion: 2 },
          finish_reason: 'length',
          server: 'server-2',
          chunks: 2,
          result: { response: 'hi there' },
          charges: { tokens: 5 },
        },
      },
    ])
  })

  test('shows each chunk as it comes', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, stream)
    const events = readEvents(response)
    world.write(acme, jobOf(response), started(0), chunk(1, 'one'))
    expect((await events.next()).value).toMatchObject({ event: 'started' })
    expect((await events.next()).value).toMatchObject({ data: { text: 'one' } })
    world.write(acme, jobOf(response), chunk(2, 'two'))
    expect((await events.next()).value).toMatchObject({ data: { text: 'two' } })
    await events.return(undefined)
  })

  test('goes to the function as the client sent it, but for its wish to wait', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, { ...stream, prefer: 'wait=5', 'idempotency-key': 'k' })
    expect(world.calls).toEqual([`self-soul POST ${DIALOGUE}`])
    expect(world.lastHeaders).toMatchObject({
      accept: 'text/event-stream',
      'idempotency-key': 'k',
      ...bearer(acme),
    })
    expect(world.lastHeaders).not.toHaveProperty('prefer')
    await response.body?.cancel()
  })

  test('with an API key is told its tenant’s log', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await fetch(`${hub.url}${DIALOGUE}`, {
      method: 'POST',
      headers: { ...stream, 'x-api-key': acme.apiKey },
      body: '{}',
    })
    await world.close(acme, jobOf(response), completed)
    expect((await allEvents(response)).map(({ event }) => event)).toEqual(['chunk', 'complete'])
  })

  test.for([
    [200, 'application/json', '{"path":"self.soul.dialogue","result":{}}'],
    [451, 'application/problem+json', '{"code":"CONSENT_REQUIRED"}'],
    [202, 'application/json', '{"something":"else"}'],
  ] as const)(
    'that is answered %i without a job is passed on as it is',
    async ([status, type, body], { world, expect }) => {
      const hub = await world.openHub()
      world.instead = { status, headers: { 'content-type': type, 'x-own': 'yes' }, body }
      const response = await ask(hub, await world.tenant(), stream)
      expect(response.status).toBe(status)
      expect(response.headers.get('content-type')).toBe(type)
      expect(response.headers.get('x-own')).toBe('yes')
      expect(await response.text()).toBe(body)
    },
  )

  test('is told the end of a job that failed', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, stream)
    const error = { code: 'INFERENCE_FAILED', message: 'Cannot load the model' }
    await world.close(acme, jobOf(response), { status: 'failed', error })
    expect(await allEvents(response)).toMatchObject([
      { event: 'error', data: { category: 'UNAVAILABLE', ...error } },
    ])
  })

  test('is told when the job is cancelled, and nothing that comes later', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, stream)
    const job = jobOf(response)
    world.write(acme, job, started(0))
    await world.nc.flush()
    await world.close(acme, job, { status: 'cancelled' })
    world.write(acme, job, chunk(1, 'late'))
    expect((await allEvents(response)).map(({ event, data }) => [event, data['code']])).toEqual([
      ['started', undefined],
      ['error', 'CANCELLED'],
    ])
  })

  test('is told of a restart, and chunks of the attempt that was given up no more', async ({
    world,
    expect,
  }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await ask(hub, acme, stream)
    const job = jobOf(response)
    world.write(
      acme,
      job,
      started(0),
      chunk(1, 'old'),
      restart(2, 2),
      chunk(2, 'zombie', 1),
      chunk(3, 'new', 2),
    )
    await world.nc.flush()
    await world.close(acme, job, { ...completed, text: 'new' })
    const events = await allEvents(response)
    expect(events.map(({ event, data }) => [event, data['text']])).toEqual([
      ['started', undefined],
      ['chunk', 'old'],
      ['restart', undefined],
      ['chunk', 'new'],
      ['complete', 'new'],
    ])
    expect(events.at(-1)?.data['chunks']).toBe(1)
  })
})

describe('GET /v1/jobs/{id}/stream', () => {
  test('goes on at another hub after the last event that the client has', async ({ world, expect }) => {
    const [first, second] = [await world.openHub(), await world.openHub()]
    const acme = await world.tenant()
    const job = world.addJob(acme)
    world.write(acme, job, started(0), chunk(1, 'a'), chunk(2, 'b'))
    const events = readEvents(await follow(first, acme, job))
    for (const id of [0, 1]) expect((await events.next()).value).toMatchObject({ id })
    await events.return(undefined)
    const resumed = await follow(second, acme, job, { 'last-event-id': '1' })
    world.write(acme, job, chunk(3, 'c'))
    await world.nc.flush()
    await world.close(acme, job, completed)
    expect((await allEvents(resumed)).map(({ event, id, data }) => [event, id, data['chunks']])).toEqual([
      ['chunk', 2, undefined],
      ['chunk', 3, undefined],
      ['complete', 'end', 3],
    ])
  })

  test('tells all of a job that ended before anybody asked', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const job = world.addJob(acme, randomUUID(), completed)
    world.write(acme, job, started(0), chunk(1, 'hi there'))
    await world.nc.flush()
    await world.close(acme, job, completed)
    const events = await allEvents(await follow(hub, acme, job))
    expect(events.map(({ event }) => event)).toEqual(['started', 'chunk', 'complete'])
  })

  test('tells the end from the job itself, where its log is gone', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const { text: _, ...row } = completed
    const done = world.addJob(acme, randomUUID(), row)
    const failed = world.addJob(acme, randomUUID(), {
      status: 'failed',
      error: { code: 'INFERENCE_FAILED', message: 'x' },
    })
    expect(await allEvents(await follow(hub, acme, done))).toMatchObject([
      { event: 'complete', data: { result: { response: 'hi there' }, tokens_used: 5 } },
    ])
    expect(await allEvents(await follow(hub, acme, failed))).toMatchObject([
      { event: 'error', data: { message: 'x' } },
    ])
  })

  test('answers another tenant 404, and tells it nothing', async ({ world, expect }) => {
    const hub = await world.openHub()
    const [acme, globex] = [await world.tenant(), await world.tenant()]
    const job = world.addJob(acme)
    world.write(acme, job, started(0), chunk(1, 'secret'))
    await world.close(acme, job, completed)
    const response = await follow(hub, globex, job)
    expect(response.status).toBe(404)
    expect(await response.text()).not.toContain('secret')
  })

  test('reads the log of the caller’s own tenant, whatever the function says of the job', async ({
    world,
    expect,
  }) => {
    const hub = await world.openHub(20)
    const [acme, globex] = [await world.tenant(), await world.tenant()]
    const job = world.addJob(acme)
    world.write(acme, job, started(0), chunk(1, 'secret'))
    world.addJob(globex, job)
    const events = readEvents(await follow(hub, globex, job))
    world.write(acme, job, chunk(2, 'secret'))
    for (let beat = 0; beat < 3; beat++)
      expect((await events.next()).value).toMatchObject({ event: 'comment' })
    await events.return(undefined)
  })

  test('answers 401 without a good credential', async ({ world, expect }) => {
    const hub = await world.openHub()
    const job = world.addJob(await world.tenant())
    expect((await fetch(`${hub.url}/v1/jobs/${job}/stream`)).status).toBe(401)
  })
})

describe('a call with Prefer: wait', () => {
  test('is answered with the result that comes in time', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const waiting = ask(hub, acme, { prefer: 'respond-async, wait=20' })
    await expect.poll(() => world.rows.size).toBe(1)
    const [job = ''] = world.rows.keys()
    world.write(acme, job, started(0))
    await world.close(acme, job, completed)
    const response = await waiting
    expect(response.status).toBe(200)
    expect(response.headers.get('preference-applied')).toBe('wait=20')
    expect(await response.json()).toEqual({
      path: 'self.soul.dialogue',
      result: { response: 'hi there' },
      job: { id: job, status: 'completed' },
      links: { self: `/v1/jobs/${job}`, stream: `/v1/jobs/${job}/stream` },
      meta: {
        charges: { tokens: 5 },
        tokens: { prompt: 3, completion: 2 },
        finish_reason: 'length',
        server: 'server-2',
        trace_id: '0af7651916cd43dd8448eb211c80319c',
      },
    })
  })

  test('is answered with the job where the time is over', async ({ world, expect }) => {
    const hub = await world.openHub()
    const response = await ask(hub, await world.tenant(), { prefer: 'wait=1' })
    expect(response.status).toBe(202)
    expect(response.headers.has('preference-applied')).toBe(false)
    expect(await response.json()).toMatchObject({ job: { id: jobOf(response), status: 'queued' } })
  })

  test.for([
    [{ status: 'failed', error: { code: 'INFERENCE_FAILED', message: 'x' } }, 503],
    [{ status: 'failed', error: { code: 'INFERENCE_REFUSED', message: 'x' } }, 422],
    [{ status: 'failed', error: { code: 'CONSENT_REQUIRED', message: 'x' } }, 451],
    [{ status: 'cancelled' }, 409],
  ] as const)(
    'is answered with the problem where the job ended as %j',
    async ([data, status], { world, expect }) => {
      const hub = await world.openHub()
      const acme = await world.tenant()
      const waiting = ask(hub, acme, { prefer: 'wait=20' })
      await expect.poll(() => world.rows.size).toBe(1)
      const [job = ''] = world.rows.keys()
      await world.close(acme, job, data)
      const response = await waiting
      expect(response.status).toBe(status)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(await response.json()).toMatchObject({ job, path: DIALOGUE })
    },
  )
})

describe('a hub', () => {
  test('keeps nothing of a client that left', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const job = world.addJob(acme)
    world.write(acme, job, started(0))
    const events = readEvents(await follow(hub, acme, job))
    await events.next()
    expect(await world.consumers(acme)).toBe(1)
    await events.return(undefined)
    await expect.poll(() => world.consumers(acme)).toBe(0)
    const read = async () => (await fetch(`${hub.url}/metrics`)).text()
    await expect.poll(read).toContain('kgents_hub_open_streams 0')
    const metrics = await read()
    expect(metrics).toContain('kgents_hub_closed_streams_total{how="left"} 1')
    expect(metrics).toContain('kgents_hub_nats_connected 1')
  })

  test('cuts off a client that does not read, and goes on for the others', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const job = world.addJob(acme)
    const { hostname, port } = new URL(hub.url)
    const slow = connect({ host: hostname, port: Number(port) })
    slow.pause()
    slow.on('error', () => undefined)
    slow.write(
      `GET /v1/jobs/${job}/stream HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${acme.token}\r\n\r\n`,
    )
    const events = readEvents(await follow(hub, acme, job))
    await expect.poll(() => world.consumers(acme)).toBe(2)
    for (let index = 0; index < 100; index++) {
      world.write(acme, job, chunk(index, 'x'.repeat(200_000)))
      expect((await events.next()).value).toMatchObject({ id: index })
    }
    await expect.poll(async () => (await fetch(`${hub.url}/metrics`)).text()).toContain('{how="slow"} 1')
    slow.destroy()
    await events.return(undefined)
  })

  test('keeps a silent stream alive', async ({ world, expect }) => {
    const hub = await world.openHub(30)
    const acme = await world.tenant()
    const events = readEvents(await follow(hub, acme, world.addJob(acme)))
    for (let beat = 0; beat < 2; beat++)
      expect((await events.next()).value).toMatchObject({ event: 'comment' })
    await events.return(undefined)
  })

  test('ends its streams when it stops, and answers who waits with the job', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const streamed = await ask(hub, acme, stream)
    const waiting = ask(hub, acme, { prefer: 'wait=30' })
    await expect.poll(() => world.rows.size).toBe(2)
    await expect.poll(() => world.consumers(acme)).toBe(2)
    await hub.hub.drain()
    expect(await allEvents(streamed)).toEqual([])
    expect((await waiting).status).toBe(202)
  })

  test('refuses two credentials in one request, wherever it goes', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const job = world.addJob(acme)
    const headers = { ...bearer(acme), 'x-api-key': acme.apiKey }
    for (const [method, path] of [
      ['POST', DIALOGUE],
      ['GET', `/v1/jobs/${job}/stream`],
      ['DELETE', `/v1/agentese/subscribe/${job}`],
    ] as const) {
      const response = await fetch(`${hub.url}${path}`, { method, headers })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'CREDENTIALS_AMBIGUOUS' })
    }
    expect(world.calls).toEqual([])
  })

  test('says how to authenticate where it answers itself', async ({ world, expect }) => {
    const hub = await world.openHub()
    const url = `${hub.url}/v1/agentese/subscribe/${world.addJob(await world.tenant())}`
    for (const [headers, code] of [
      [{}, 'CREDENTIALS_MISSING'],
      [{ authorization: 'Bearer a.b.c' }, 'CREDENTIALS_INVALID'],
    ] as const) {
      const response = await fetch(url, { method: 'DELETE', headers })
      expect([response.status, await response.json()]).toMatchObject([401, { code }])
      expect(response.headers.get('www-authenticate')).toContain('Bearer')
    }
  })

  test('answers a method that an address does not have with those that it has', async ({ world, expect }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const follows = `/v1/jobs/${world.addJob(acme)}/stream`
    for (const [method, path, allow] of [
      ['PUT', DIALOGUE, 'POST'],
      ['HEAD', DIALOGUE, 'POST'],
      ['OPTIONS', follows, 'GET, HEAD'],
      ['POST', follows, 'GET, HEAD'],
    ] as const) {
      const response = await fetch(`${hub.url}${path}`, { method, headers: bearer(acme) })
      expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
    }
    const head = await fetch(`${hub.url}${follows}`, { method: 'HEAD', headers: bearer(acme) })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
  })

  test('answers what it does not serve with 404, and a function that is away with 503', async ({
    world,
    expect,
  }) => {
    const hub = await world.openHub()
    const response = await fetch(`${hub.url}/v1/nothing`)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'ROUTE_NOT_FOUND', path: '/v1/nothing' })
    expect((await fetch(`${hub.url}/health/live`)).status).toBe(200)
    await world.stopFunctions()
    const away = await ask(hub, await world.tenant(), stream)
    expect(away.status).toBe(503)
    expect(away.headers.get('retry-after')).toBe('1')
  })
})
