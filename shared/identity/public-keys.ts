/** Public keys as in `PLATFORM_JWKS`. A private key here is a mistake that must not reach a file. */
import { z } from 'zod'

export const PublicKeys = z.object({
  keys: z
    .array(
      z
        .looseObject({
          kty: z.string(),
          kid: z.string().min(1),
          alg: z.exactOptional(z.enum(['EdDSA', 'ES256'])),
        })
        .refine((key) => !('d' in key), 'is a private key'),
    )
    .min(1),
})
export type PublicKeys = z.infer<typeof PublicKeys>
