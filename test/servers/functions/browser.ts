/** A browser, as far as cookies go: it keeps those that it is given and sends them back. */
import { randomBytes } from 'node:crypto'
import type { OpenFunctions } from './in-process.ts'
import { call, type Answer } from './in-process.ts'

export interface Browser {
  /** By name. */
  cookies: Map<string, string>
  calls(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** As a page of ours calls that has read the CSRF token of its session. */
  callsAsPage(method: string, path: string, body?: unknown): Promise<Answer>
}

/** @param host that it calls; by https unless it is this machine */
export function openBrowser(app: OpenFunctions['app'], host = '127.0.0.1:8000'): Browser {
  const cookies = new Map<string, string>()
  const proto = host.startsWith('127.') ? 'http' : 'https'
  const port = /:(\d+)$/.exec(host)?.[1] ?? '443'
  const address = {
    'x-forwarded-host': host.replace(/:\d+$/, ''),
    'x-forwarded-proto': proto,
    'x-forwarded-port': port,
    // Each browser is elsewhere: an address may not sign in all the time.
    'x-real-ip': `10.${randomBytes(3).join('.')}`,
  }

  const calls: Browser['calls'] = async (method, path, body, headers = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const sent = { ...address, ...(cookie === '' ? {} : { cookie }), ...headers }
    const credential = 'x-api-key' in sent || 'authorization' in sent ? {} : { authorization: '' }
    const answer = await call(app, '', method, path, body, { ...credential, ...sent })
    for (const text of answer.headers.getSetCookie()) keep(text)
    return answer
  }

  function keep(text: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
    if (/Max-Age=0/.test(text)) cookies.delete(name)
    else cookies.set(name, value)
  }

  return {
    cookies,
    calls,
    async callsAsPage(method, path, body) {
      const { body: session } = await calls('GET', '/v1/auth/session')
      return calls(method, path, body, {
        'x-csrf-token': session.csrf_token ?? '',
        'sec-fetch-site': 'same-origin',
        origin: `${proto}://${host}`,
      })
    },
  }
}
