/** Tenants and whoever holds one of their keys or tokens, and a clock that runs ahead of what is believed of these. */
import { vi } from 'vitest'
import type { FunctionDefinition } from '../../../shared/contract/function.ts'
import { call, type Answer } from './in-process.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

export interface Person {
  calls(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

interface Holders {
  admin: Tenant
  /** Whoever holds a key. */
  withKey(key: string): Person
  /** Whoever holds a token that was exchanged for a key. */
  withTokenOf(key: string, scope?: string): Promise<Person>
  /** Whoever holds that token, whatever it is. */
  withToken(token: string): Person
  /** Another person of the admin's tenant. */
  colleague(role?: string): Promise<Person>
  /** Lets the time pass for which credentials are believed. */
  passTime(): void
}

/** Longer than a process believes what it has read of a credential, and within what is promised. */
const BELIEVED_MS = 4000

export const testWithHolders = (
  extra: readonly FunctionDefinition[] = [],
  settings: Record<string, string> = {},
  where?: Parameters<typeof testWith>[2],
) =>
  testWith(extra, settings, where).extend<Holders>({
    admin: async ({ newTenant }, use) => use(await newTenant('enterprise', ['admin'])),
    withKey: async ({ opened }, use) =>
      use((key) => ({ calls: (...request) => call(opened.app, key, ...request) })),
    withToken: async ({ opened }, use) =>
      use((token) => ({
        calls: (method, path, body, headers) =>
          call(opened.app, '', method, path, body, { authorization: `Bearer ${token}`, ...headers }),
      })),
    withTokenOf: async ({ opened, withToken }, use) =>
      use(async (key, scope) => {
        const wanted = scope === undefined ? {} : { scope }
        const { body } = await call(opened.app, key, 'POST', '/v1/auth/token', wanted)
        return withToken(body.access_token)
      }),
    colleague: async ({ admin, owner, withKey }, use) =>
      use(async (role = 'developer') => withKey(await insertColleague(owner, admin, role))),
    passTime: async ({}, use) => {
      const now = performance.now.bind(performance)
      let passed = 0
      vi.spyOn(performance, 'now').mockImplementation(() => now() + passed)
      await use(() => void (passed += BELIEVED_MS))
      vi.restoreAllMocks()
    },
  })
