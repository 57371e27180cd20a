/** The public keys that platform tokens are signed with, for anybody who wants to check one. */
import { z } from 'zod'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'

export const jsonWebKeys = defineOperation({
  name: 'json-web-keys',
  summary: 'Publishes the public keys of the platform',
  routes: {
    list: route({
      route: 'GET /.well-known/jwks.json',
      summary: 'The JSON Web Key Set',
      auth: 'none',
      needs: ['public-keys'],
      input: NoInput,
      // New keys are published before they sign, and old ones for as long as their tokens are good.
      maxAgeSeconds: 300,
      output: z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())) }),
      handle: (_input, { publicKeys }) => ({ keys: publicKeys.keys.map((key) => ({ ...key })) }),
    }),
  },
})
