/** Sign-in of programs without a browser, such as a command line: the device grant (RFC 8628). */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { SCOPES } from '../../shared/identity/scopes.ts'
import { beginDevice, decideDevice, showDevice } from './sso/devices.ts'

/** Requests of one address in a minute: a code is guessed with a chance of 1 in 10^8 in the time that it is good. */
const TRIES = 30

const UserCode = z.strictObject({
  user_code: z.string().min(1).max(40).describe('As the program shows it; case and hyphens do not matter'),
})

export const ssoDevices = defineOperation({
  name: 'sso-devices',
  summary: 'Signs in programs without a browser, once a person has approved them',
  database: 'central',
  routes: {
    begin: route({
      route: 'POST /v1/auth/device',
      summary: 'Begin: shows the codes to poll with, and to be approved by a person',
      auth: 'none',
      body: 'form',
      errors: 'oauth',
      perAddress: TRIES,
      needs: ['sign-in'],
      input: z.strictObject({
        client_id: z
          .string()
          .max(100)
          .optional()
          .describe('A name of the program, which the person is shown'),
        scope: z
          .string()
          .max(2000)
          .regex(SCOPES, 'each scope is resource:action, such as memory:read')
          .optional()
          .describe('What the token is to be narrowed to'),
      }),
      output: z.strictObject({
        device_code: z.string(),
        user_code: z.string(),
        verification_uri: z.string(),
        verification_uri_complete: z.string(),
        expires_in: z.int(),
        interval: z.int().describe('Seconds between two polls'),
      }),
      examples: [{ summary: 'A command line', input: { client_id: 'kgents-cli' } }],
      handle: (wanted, call) => beginDevice(wanted, call),
    }),

    show: route({
      route: 'GET /v1/auth/device',
      summary: 'What waits under a code',
      scopes: ['device:read'],
      perAddress: TRIES,
      needs: ['postgres'],
      input: UserCode,
      output: z.strictObject({
        client: z.string().nullable().describe('As it calls itself'),
        address: z.string().nullable().describe('IP address that it has called from'),
        scopes: z.array(z.string()).nullable().describe('Null is all that you may do'),
        created_at: z.string(),
        expires_at: z.string(),
      }),
      examples: [{ summary: 'A code, as somebody types it', input: { user_code: 'bcdfg hjklm' } }],
      handle: ({ user_code }, call) => showDevice(user_code, call),
    }),

    decide: route({
      route: 'POST /v1/auth/device/approve',
      summary: 'Approve a program, which then acts in your name, or deny it',
      permission: 'agentese:read',
      scopes: ['device:write'],
      perAddress: TRIES,
      needs: ['postgres'],
      input: UserCode.extend({ approve: z.boolean().default(true) }),
      output: z.strictObject({ approved: z.boolean() }),
      examples: [{ summary: 'It is mine', input: { user_code: 'BCDFG-HJKLM' } }],
      writes: true,
      handle: ({ user_code, approve }, call) => decideDevice(user_code, approve, call),
    }),
  },
})
