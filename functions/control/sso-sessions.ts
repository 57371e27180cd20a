/**
 * Sessions of browsers, for pages of this platform: an API key or a token is exchanged for a cookie that no script can read. It is
 * a credential on every route; what may change anything takes the session's CSRF token in `X-CSRF-Token` as well.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { closeSession, cookiesOf, describeSession, openSession, Opened, Session } from './sso/sessions.ts'
import { withSecrets } from './shown-once.ts'

export const ssoSessions = defineOperation({
  name: 'sso-sessions',
  summary: 'Sessions of browsers: a cookie in the place of an API key',
  database: 'central',
  routes: {
    open: route({
      route: 'POST /v1/auth/session',
      summary: 'Open a session with an API key or a token; the answer sets the cookie `kgents_session`',
      // A session allows no more than the credential.
      scopes: [],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: Opened,
      examples: [{ summary: 'A session for the page', input: {} }],
      reveal: (kept: Opened) => withSecrets(kept),
      cookies: (opened: Opened) => cookiesOf(opened),
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (_input, call) => openSession(call),
    }),

    show: route({
      route: 'GET /v1/auth/session',
      summary: 'Who you are: person, tenant, roles and permissions, and the CSRF token of your session',
      scopes: [],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: Session,
      handle: (_input, call) => describeSession(call),
    }),

    close: route({
      route: 'DELETE /v1/auth/session',
      summary: 'Sign out: the session ends, and the cookie is removed',
      scopes: [],
      needs: ['postgres', 'events'],
      input: z.strictObject({}),
      output: z.strictObject({ session: z.strictObject({ id: z.uuid() }).nullable() }),
      cookies: () => [{ cookie: 'session', value: null }],
      writes: true,
      handle: (_input, call) => closeSession(call),
    }),
  },
})
