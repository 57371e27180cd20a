import { z } from 'zod'

/** A tenant's name, as people read it. */
export const TenantName = z.string().trim().min(1).max(200)
