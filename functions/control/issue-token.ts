/** Exchanges an API key for a platform token of some minutes. The only function that holds the signing key. */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'

export const issueToken = defineOperation({
  name: 'issue-token',
  summary: 'Exchanges an API key for a short-lived token',
  needs: ['postgres', 'redis'],
  secrets: ['DATABASE_URL', 'PLATFORM_SIGNING_KEY'],
  routes: {
    issue: route({
      route: 'POST /v1/auth/token',
      summary: 'Exchange an API key for a token',
      auth: 'api-key',
      input: z.strictObject({ grant_type: z.literal('api_key').optional() }),
      output: z.strictObject({
        access_token: z.string(),
        token_type: z.literal('Bearer'),
        expires_in: z.int(),
      }),
      transaction: false,
      async handle(_input, { identity, platform }) {
        const { token, expiresInSeconds } = await platform.issueToken(identity)
        return { access_token: token, token_type: 'Bearer' as const, expires_in: expiresInSeconds }
      },
    }),
  },
})
