import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import { reuseTokens } from '../../../shared/identity/reused-tokens.ts'

const lifetimes = { goodSeconds: 30, reusedSeconds: 10 }

function newIdentity(): StoredIdentity {
  const [tenant, user] = [crypto.randomUUID(), crypto.randomUUID()]
  return { tenant, user, tier: 'pro', roles: ['developer'], permissions: [] }
}

/** A signer whose every token is another. */
function newSigner() {
  let made = 0
  return vi.fn(async (_identity: StoredIdentity, _audience: string, _seconds: number) => `token ${++made}`)
}

describe('reuseTokens()', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('gives the same caller the same token for the same audience, and signs once', async () => {
    const sign = newSigner()
    const tokenFor = reuseTokens(sign, lifetimes)
    const acme = newIdentity()
    const tokens = await Promise.all([tokenFor(acme, 'a'), tokenFor(acme, 'a'), tokenFor(acme, 'a')])
    expect(new Set(tokens)).toEqual(new Set(['token 1']))
    expect(sign.mock.calls).toEqual([[acme, 'a', 30]])
  })

  test('never gives a token to another caller, for another audience, or for long', async () => {
    const tokenFor = reuseTokens(newSigner(), lifetimes)
    const acme = newIdentity()
    expect(await tokenFor(acme, 'a')).toBe('token 1')
    expect(await tokenFor(acme, 'b')).toBe('token 2')
    expect(await tokenFor({ ...acme, roles: ['viewer'] }, 'a')).toBe('token 3')
    vi.advanceTimersByTime(10_000)
    expect(await tokenFor(acme, 'a')).toBe('token 4')
  })

  test('forgets a token that could not be signed', async () => {
    const sign = newSigner().mockRejectedValueOnce(new Error('no key'))
    const tokenFor = reuseTokens(sign, lifetimes)
    const acme = newIdentity()
    await expect(tokenFor(acme, 'a')).rejects.toThrow('no key')
    expect(await tokenFor(acme, 'a')).toBe('token 1')
  })
})
