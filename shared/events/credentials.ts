/** The hint that credentials have ended before their time, for parts that keep connections open on behalf of callers. */
import { z } from 'zod'

export const CREDENTIALS_REVOKED = 'io.kgents.credentials.revoked'

export const CredentialsRevoked = z.looseObject({
  /** Whose they were; absent is the tenant of the event. */
  tenant: z.uuid().optional(),
})
