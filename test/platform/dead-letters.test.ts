import { describe, expect } from 'vitest'
import { createEvent } from '../../shared/events/event.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'
import { until } from '../eventually.ts'
import { readState } from './start-platform.ts'
import { test } from './world.ts'

describe('an event whose function refuses it for good', () => {
  test('becomes a dead letter of its tenant, by way of relay, Broker and Trigger', async ({
    newTenant,
    state,
    sql,
  }) => {
    const admin = await newTenant('pro', ['admin'])
    const { eventKey } = readState<{ eventKey: string }>(state, 'secrets.json')
    const type = 'io.kgents.mapping.matched'
    const data = { text: 'it does not fit: é', exact: JSON.rawJSON('0.10000000000000000001') }
    const event = createEvent({ source: '/functions/test', type, tenant: admin.tenant, data }, eventKey)
    await sql`
      insert into outbox (id, tenant_id, subjects, event)
      values (${event.id}, ${admin.tenant}, ${[eventSubject(admin.tenant, type)]}, ${JSON.stringify(event)})`
    const letter = await until(async () => {
      const { body } = await admin.call('GET', '/v1/dead-letters?function=event-mappings')
      return body.dead_letters[0]
    })
    expect(letter).toMatchObject({
      function: 'event-mappings',
      event: { id: event.id, type, tenantid: admin.tenant },
      error: { status: 400, message: expect.stringContaining('EVENT_SYNTAX') },
    })
    // Delivered again as it came, its signature fits, and it is refused for the same reason.
    const replayed = await admin.call('POST', `/v1/dead-letters/${letter.id}/replay`)
    expect(replayed).toMatchObject({ status: 200, body: { outcome: 'failed', error: { status: 400 } } })
    expect((await admin.call('DELETE', `/v1/dead-letters/${letter.id}`)).status).toBe(200)
    expect((await admin.call('GET', '/v1/dead-letters')).body.dead_letters).toEqual([])
  })
})
