/** What whoever signs up says, and what was made for it. */
import type { NewApiKey } from '../identity/api-keys.ts'

export interface SignUp {
  slug: string
  /** Of the tenant. */
  name: string
  admin: { email: string; name: string }
  key: Pick<NewApiKey, 'prefix' | 'hash'>
  /** IP address that it came from. */
  address: string | undefined
}

/** The ids of what was made, or why nothing was. */
export type SignedUp = MadeIds | { refused: 'closed' | 'taken' | 'network_full' | 'full' }

export interface MadeIds {
  tenant: string
  user: string
  key: string
}
