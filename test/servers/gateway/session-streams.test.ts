/** `GET /v1/kgent/sessions/{id}/events`: whoever of a person's programs writes, all that follow see it, once and in order. */
import { describe, expect } from 'vitest'
import { tokensSubject } from '../../../shared/nats/subjects.ts'
import { readEvents, type ReadEvent } from './hub-world.ts'
import { test, type SubscriptionWorld, type Tenant } from './subscription-world.ts'

const SESSIONS = '/v1/kgent/sessions'

async function begin(world: SubscriptionWorld, tenant: Tenant): Promise<string> {
  const { body } = await world.call(tenant, 'POST', SESSIONS, { when_busy: 'interrupt' })
  return body['id'] as unknown as string
}

async function say(
  world: SubscriptionWorld,
  tenant: Tenant,
  session: string,
  message: string,
): Promise<string> {
  const { status, body } = await world.call(tenant, 'POST', `${SESSIONS}/${session}/messages`, { message })
  expect(status).toBe(202)
  await world.relays(tenant)
  return (body as unknown as { job: { id: string } }).job.id
}

/** As a worker writes. */
function chunk(world: SubscriptionWorld, tenant: Tenant, job: string, index: number, text: string): void {
  const message = { kind: 'chunk', index, attempt: 1, text, tokens: index + 1 }
  world.nc.publish(tokensSubject(tenant.id, job), JSON.stringify(message))
}

interface Followed {
  status: number
  take(count: number): Promise<string[]>
  ids: (string | number | undefined)[]
  rest(): Promise<string[]>
}

async function follow(
  hub: string,
  { token }: Pick<Tenant, 'token'>,
  session: string,
  lastEventId?: string | number,
): Promise<Followed> {
  const response = await fetch(`${hub}${SESSIONS}/${session}/events`, {
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
  })
  const events = readEvents(response)
  const ids: Followed['ids'] = []
  const read = ({ event, id, data }: ReadEvent) => {
    ids.push(id)
    const said = data['content'] ?? data['text'] ?? data['reason'] ?? data['mode'] ?? ''
    return `${event}: ${said as string}`
  }
  return {
    status: response.status,
    ids,
    async take(count) {
      const taken: string[] = []
      while (taken.length < count) {
        const { value, done } = await events.next()
        if (done === true) throw new Error(`The stream ended after ${taken.join(', ')}`)
        taken.push(read(value))
      }
      return taken
    },
    rest: async () => (await Array.fromAsync(events)).map(read),
  }
}

describe('a conversation is followed', () => {
  test('in two places at two hubs, from its messages to its end', async ({ world }) => {
    const [one, two] = [await world.openHub(), await world.openHub()]
    const tenant = await world.tenant()
    const session = await begin(world, tenant)
    await world.relays(tenant)
    const followers = [await follow(one, tenant, session), await follow(two, tenant, session)]
    const job = await say(world, tenant, session, 'Tell me about the garden')
    for (const [index, text] of ['It ', 'grows'].entries()) chunk(world, tenant, job, index, text)
    for (const each of followers)
      expect(await each.take(3)).toEqual(['message: Tell me about the garden', 'chunk: It ', 'chunk: grows'])
    await world.answers(tenant, job, 'It grows')
    await world.call(tenant, 'PATCH', `${SESSIONS}/${session}`, { mode: 'explore' })
    await world.call(tenant, 'DELETE', `${SESSIONS}/${session}`)
    await world.relays(tenant)
    for (const each of followers) {
      expect(await each.rest()).toEqual(['message: It grows', 'changed: explore', 'ended: closed'])
      expect(each.ids.at(-1)).toBe('end')
    }
    expect((await follow(one, tenant, session, 'end')).status).toBe(204)
    expect(await (await follow(one, tenant, session)).rest()).toEqual(['ended: closed'])
  })

  test('at another hub from wherever it was left, without a gap or a repetition', async ({ world }) => {
    const [one, two] = [await world.openHub(), await world.openHub()]
    const tenant = await world.tenant()
    const session = await begin(world, tenant)
    await world.relays(tenant)
    const whole = await follow(one, tenant, session)
    const job = await say(world, tenant, session, 'Tell me about the garden')
    chunk(world, tenant, job, 0, 'It ')
    const expected = await whole.take(2)
    await world.call(tenant, 'PATCH', `${SESSIONS}/${session}`, { mode: 'explore' })
    await world.relays(tenant)
    expected.push(...(await whole.take(1)))
    chunk(world, tenant, job, 1, 'grows')
    expected.push(...(await whole.take(1)))
    // In the middle of an answer, the rest of it comes whatever was the last event; its pieces are a log of their own.
    const middle = await Promise.all(whole.ids.map((id) => follow(two, tenant, session, id)))
    for (const [at, each] of middle.entries())
      expect((await each.take(3 - at)).toSorted()).toEqual(expected.slice(at + 1).toSorted())
    await world.answers(tenant, job, 'It grows')
    await world.call(tenant, 'DELETE', `${SESSIONS}/${session}`)
    await world.relays(tenant)
    expected.push(...(await whole.rest()))
    const after = await Promise.all(whole.ids.slice(0, -1).map((id) => follow(two, tenant, session, id)))
    for (const [at, each] of after.entries()) {
      const rest = await each.rest()
      // The pieces of an answer that is there may be left out: its message has all of it.
      const withoutPieces = (some: string[]) => some.filter((event) => !event.startsWith('chunk'))
      expect(withoutPieces(rest)).toEqual(withoutPieces(expected.slice(at + 1)))
    }
    await world.drain(one)
  })

  test('by nobody else, and no longer than the credential is good', async ({ world }) => {
    const hub = await world.openHub()
    const [tenant, other] = [await world.tenant(), await world.tenant()]
    const session = await begin(world, tenant)
    await world.relays(tenant)
    expect((await follow(hub, other, session)).status).toBe(404)
    expect((await follow(hub, { token: 'none' }, session)).status).toBe(401)
    expect(
      (await follow(hub, { token: await world.tokenOf(tenant, 600, ['audio:read']) }, session)).status,
    ).toBe(403)
    const short = await follow(hub, { token: await world.tokenOf(tenant, 1) }, session)
    expect(await short.rest()).toEqual([])
    const open = await follow(hub, tenant, session)
    await world.owner`update users set removed_at = now(), email = null where tenant_id = ${tenant.id}`
    await world.revokes(tenant)
    expect(await open.rest()).toEqual([])
    expect((await follow(hub, tenant, session)).status).toBe(401)
  })
})
