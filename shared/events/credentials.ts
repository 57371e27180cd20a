/** The hint that credentials have ended before their time, for parts that keep connections open on behalf of callers. */
import { z } from 'zod'

export const CREDENTIALS_REVOKED = 'io.kgents.credentials.revoked'

export const CredentialsRevoked = z.looseObject({
  /** Whose they were; absent is the tenant of the event. */
  tenant: z.uuid().optional(),
  /** The API key that has ended, where it is one. */
  key: z.uuid().optional(),
  /** Whether it has; a key that was rotated goes on with another secret. */
  for_good: z.boolean().optional(),
})
