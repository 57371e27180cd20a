/** The second address of an aspect: the same call, with its input from path, query and body, and the result alone as its answer. */
import { describe, expect } from 'vitest'
import { testWith } from './world.ts'

const test = testWith()
const SESSIONS = '/v1/kgent/sessions'

describe('the route of an aspect', () => {
  test('answers 201 and names what it has created; GET takes its input from path and query', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const created = await tenant.calls('POST', SESSIONS, { title: 'A' })
    expect(created).toMatchObject({ status: 201, body: { title: 'A', status: 'active' } })
    expect(created.headers.get('location')).toBe(`${SESSIONS}/${created.body.id}`)
    await tenant.calls('POST', SESSIONS, { title: 'B' })
    const page = await tenant.calls('GET', `${SESSIONS}?limit=1`)
    expect(page.body).toMatchObject({ sessions: [{ title: 'B' }], next_cursor: expect.any(String) })
    const history = await tenant.calls('GET', `${SESSIONS}/${created.body.id}/messages?limit=5`)
    expect(history).toMatchObject({ status: 200, body: { session: { title: 'A' }, messages: [] } })
  })

  test('refuses a query that does not fit, and what path and body name differently', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    for (const query of ['limit=0x10', 'limit=', 'limit=1&limit=2', 'limit=1.5', 'other=1'])
      expect(await tenant.calls('GET', `${SESSIONS}?${query}`), query).toMatchObject({ status: 400 })
    const { body } = await tenant.calls('POST', SESSIONS, {})
    const other = await tenant.calls('POST', SESSIONS, {})
    const session = other.body.id
    await tenant.calls('DELETE', `${SESSIONS}/${body.id}`)
    // The path decides, whatever the body says.
    const sent = await tenant.calls('POST', `${SESSIONS}/${body.id}/messages`, {
      session,
      message: 'Where does this go?',
    })
    expect(sent).toMatchObject({ status: 412, body: { message: expect.stringContaining(body.id) } })
  })

  test('is the same call under one key, each address answering in its own form', async ({ newTenant }) => {
    const tenant = await newTenant()
    const key = { 'idempotency-key': 'once' }
    const first = await tenant.calls('POST', SESSIONS, { title: 'A' }, key)
    const again = await tenant.calls('POST', SESSIONS, { title: 'A' }, key)
    const byPath = await tenant.calls('POST', '/v1/agentese/self/kgent/create', { title: 'A' }, key)
    expect(again).toMatchObject({ status: 201, body: first.body })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(byPath).toMatchObject({ status: 200, body: { path: 'self.kgent.create', result: first.body } })
    expect((await tenant.calls('GET', SESSIONS)).body.sessions).toHaveLength(1)
  })

  test('does nothing in a dry run, and is refused where the credential would be at the path', async ({
    newTenant,
  }) => {
    const tenant = await newTenant('enterprise', ['viewer'])
    const dry = await (await newTenant()).calls('POST', `${SESSIONS}?dry_run=true`, { title: 'A' })
    expect(dry).toMatchObject({ status: 200, body: { path: 'self.kgent.create', dry_run: true } })
    expect(await tenant.calls('POST', SESSIONS, {})).toMatchObject({ status: 403 })
    expect(await tenant.calls('PUT', SESSIONS, {})).toMatchObject({ status: 405 })
  })
})
