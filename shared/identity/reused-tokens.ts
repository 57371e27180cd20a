/**
 * Short-lived tokens for the same caller and audience, made once and used for a while: to sign one and to verify it
 * costs a millisecond, which is more than all else that passing a call on costs.
 */
import type { StoredIdentity } from './identity.ts'
import type { SignToken } from './tokens.ts'

export interface Lifetimes {
  /** How long a token is good; what it is used for must be over by then. */
  goodSeconds: number
  /** How long it is given out again. */
  reusedSeconds: number
}

interface Made {
  token: Promise<string>
  until: number
}

/**
 * Makes a signer that gives out a token again to the same identity. The same object, that is, which lives no longer
 * than the credential that it was read from: other roles are another identity.
 */
export function reuseTokens(sign: SignToken, { goodSeconds, reusedSeconds }: Lifetimes) {
  const known = new WeakMap<StoredIdentity, Map<string, Made>>()
  return (identity: StoredIdentity, audience: string): Promise<string> => {
    const ofCaller = known.get(identity) ?? new Map<string, Made>()
    known.set(identity, ofCaller)
    const made = ofCaller.get(audience)
    if (made !== undefined && performance.now() < made.until) return made.token
    const token = sign(identity, audience, goodSeconds)
    ofCaller.set(audience, { token, until: performance.now() + reusedSeconds * 1000 })
    token.catch(() => ofCaller.delete(audience))
    return token
  }
}
