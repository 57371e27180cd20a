import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createCallerReader } from '../../../gateway/stream-hub/callers.ts'
import type { FunctionCall, Functions } from '../../../gateway/stream-hub/functions.ts'

/** A function that knows one session, and what it was called with. */
function sessionsOf(status: number, body: unknown) {
  const calls: [string, FunctionCall][] = []
  const functions = {
    callJson: (name: string, call: FunctionCall) => {
      calls.push([name, call])
      return Promise.resolve({ status, body })
    },
  } as unknown as Functions // reason: nothing else of it is called
  const read = createCallerReader(() => Promise.reject(new Error('no token')), functions)
  return { calls, read }
}

const headers = {
  cookie: 'a=b; __Host-kgents_session=kgs_secret',
  'x-forwarded-host': 'kgents.example',
  'x-forwarded-proto': 'https',
  'x-csrf-token': 'c',
}

test('createCallerReader() knows the caller of a session by the function that knows sessions, once in a while', async () => {
  const [tenant, user] = [randomUUID(), randomUUID()]
  const { calls, read } = sessionsOf(200, {
    tenant: { id: tenant, slug: 's', name: 'n' },
    user: { id: user, name: 'Ada' },
    plan: 'pro',
    roles: ['developer'],
    permissions: ['agentese:read'],
    scopes: ['memory:read'],
    csrf_token: 'c',
  })
  const caller = {
    tenant,
    user,
    tier: 'pro',
    roles: ['developer'],
    permissions: ['agentese:read'],
    scopes: ['memory:read'],
  }
  expect(await read(headers)).toEqual(caller)
  expect(await read(headers)).toEqual(caller)
  const { cookie, 'x-forwarded-host': host, 'x-forwarded-proto': proto } = headers
  expect(calls).toEqual([
    [
      'sso-sessions',
      {
        method: 'GET',
        path: '/v1/auth/session',
        headers: { cookie, 'x-forwarded-host': host, 'x-forwarded-proto': proto },
      },
    ],
  ])
})

test('createCallerReader() knows nobody by a session that has ended', async () => {
  expect(await sessionsOf(401, {}).read(headers)).toBeUndefined()
})
