/** Signing in with a browser: by a provider of OpenID Connect, or with a recovery code where that lets nobody in. */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { withSecrets } from './shown-once.ts'
import { ProviderName } from './sso/providers.ts'
import { recover } from './sso/recovery.ts'
import { cookiesOf, Opened } from './sso/sessions.ts'
import { beginAtProvider, cookiesOfSignIn, finishAtProvider, type SentOn } from './sso/sign-in.ts'

export const Slug = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'is no slug of a tenant')

/** Requests of one address in a minute; what is guessed here is guessed slowly. */
const PER_ADDRESS = 120

const Sent = z.strictObject({ location: z.string() })

export const ssoSignIn = defineOperation({
  name: 'sso-sign-in',
  summary: 'Signs people in by a provider of OpenID Connect, or with a recovery code',
  database: 'central',
  routes: {
    begin: route({
      route: 'GET /v1/auth/login',
      summary: 'Sign in by the provider of a tenant: sends the browser there',
      auth: 'none',
      perAddress: PER_ADDRESS,
      needs: ['sign-in', 'any-tenant', 'postgres', 'secrets', 'destinations', 'outside'],
      input: z.strictObject({
        tenant: Slug.describe('Slug of the tenant'),
        provider: ProviderName.optional().describe('Where the tenant has several'),
        return_to: z.string().default('/console').describe('A path of this platform'),
      }),
      output: Sent,
      status: () => 303,
      statuses: [303],
      cookies: (sent: SentOn) => cookiesOfSignIn(sent),
      location: (sent: SentOn) => sent.location,
      handle: (wanted, call) => beginAtProvider(wanted, call),
    }),

    finish: route({
      route: 'GET /v1/auth/callback',
      summary: 'Where a provider sends a browser back to, which then has a session',
      auth: 'none',
      perAddress: PER_ADDRESS,
      needs: ['sign-in', 'any-tenant', 'postgres', 'events', 'secrets', 'destinations', 'outside'],
      // What a provider adds is not ours to refuse.
      input: z.record(z.string().max(100), z.string().max(8000)),
      output: Sent,
      status: () => 303,
      statuses: [303],
      cookies: (sent: SentOn) => cookiesOfSignIn(sent),
      location: (sent: SentOn) => sent.location,
      handle: (parameters, call) => finishAtProvider(parameters, call),
    }),

    recover: route({
      route: 'POST /v1/auth/recover',
      summary: 'Open a session with a recovery code, which is good once; the tenant is notified',
      auth: 'none',
      perAddress: 30,
      needs: ['sign-in', 'any-tenant', 'postgres', 'events'],
      input: z.strictObject({
        tenant: Slug,
        code: z.string().regex(/^kgr_[\w-]{27}$/, 'is no recovery code'),
      }),
      output: Opened,
      status: () => 201,
      statuses: [201],
      cookies: (opened: Opened) => cookiesOf(opened),
      reveal: (kept: Opened) => withSecrets(kept),
      handle: (wanted, call) => recover(wanted, call),
    }),
  },
})
